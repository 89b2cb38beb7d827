# One search per fold group; test subjects of the group are not in its inputs.


rule search:
    input:
        inputs=lambda wildcards: inputs.inputs_of(study, wildcards).inputs,
        table=lambda wildcards: inputs.inputs_of(study, wildcards).table,
        folds=paths.folds.train,
        audit=paths.folds.audit,
        source=lambda wildcards: inputs.source_architecture(study, wildcards),
    output:
        architecture=paths.search.architecture,
        history=paths.search.history,
        metrics=paths.search.metrics,
        drawing=paths.search.drawing,
        cost=paths.search.cost,
        status=paths.search.status,
    log:
        paths.log("search", paths.search),
    benchmark:
        paths.benchmark("search", paths.search)
    retries: 2  # a job that was told to end, or killed, continues where it was
    conda:
        "../envs/fernas.yaml"
    threads: study.config.threads
    resources:
        mem_mb=memory,
        runtime=2880,
        gpu=params.gpus(study),
    params:
        search=lambda wildcards: params.search_section(study, wildcards.method),
        run=how_to_run,
        seed=lambda wildcards: params.search_seed(study, wildcards),
        code=lambda wildcards: code(
            rules.search, wildcards, "fernas.search.run", *params.search_modules(study, wildcards.method)
        ),
    message:
        "search: {wildcards.method} on {wildcards.task} ({wildcards.scope}, seed {wildcards.search_seed}, "
        "fold group {wildcards.fold_group})"
    script:
        "../workflow_scripts/search.py"
