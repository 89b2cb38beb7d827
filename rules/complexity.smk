# What the found networks cost. The job takes all cores, so that nothing else runs while latency is measured.


rule complexity:
    input:
        architectures=grid.search_files(CONFIG, "architecture.json"),
        costs=[*grid.search_files(CONFIG, "cost.json"), *grid.shard_files(CONFIG, "cost.json")],
    output:
        csv=f"{RESULTS}/tables/complexity.csv",
        markdown=f"{RESULTS}/tables/complexity.md",
        latex=f"{RESULTS}/tables/complexity.tex",
    log:
        f"{RESULTS}/logs/complexity.log",
    conda:
        "../envs/fernas.yaml"
    threads: workflow._cores or CONFIG.threads
    resources:
        mem_mb=6000,
        runtime=240,
        gpu=steps.gpus(CONFIG),
    params:
        config=CONFIG.model_dump(mode="json"),
        digest=code("fernas.reporting.complexity", "fernas.spaces.networks", "fernas.spaces.complexity"),
    message:
        "measure the found networks, alone on the machine"
    script:
        "../workflow_scripts/complexity.py"
