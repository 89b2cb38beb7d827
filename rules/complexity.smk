# What the searched networks cost. The job takes all cores, so that nothing else runs while latency is measured.


rule complexity:
    input:
        architectures=targets.architecture_files(study),
        costs=targets.cost_files(study),
    output:
        csv=layout.tables / "complexity.csv",
        markdown=layout.tables / "complexity.md",
        latex=layout.tables / "complexity.tex",
    log:
        paths.log("complexity"),
    conda:
        "../envs/fernas.yaml"
    threads: workflow._cores or study.config.threads
    resources:
        mem_mb=6000,
        runtime=240,
        gpu=params.gpus(study),
    params:
        config=whole_config,
        compared=params.results_config(study),
        measured_on=[study.config.device, study.config.threads],
        code=lambda wildcards: code(
            rules.complexity,
            wildcards,
            "fernas.reporting.complexity",
            "fernas.spaces.networks",
            "fernas.spaces.complexity",
        ),
    message:
        "measure the searched networks, alone on the machine"
    script:
        "../workflow_scripts/complexity.py"
