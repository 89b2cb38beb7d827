# One search per group of folds; test subjects of the group are not in its inputs.


rule search:
    input:
        inputs=lambda w: steps.inputs_file(CONFIG, w.task, w.method),
        table=lambda w: steps.inputs_table(CONFIG, w.task, w.method),
        folds=rules.make_folds.output.train,
        audit=rules.audit_folds.output.audit,
        source=lambda w: steps.source_files(CONFIG, w, "architecture"),
    output:
        architecture=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/g{{g}}/architecture.json",
        history=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/g{{g}}/search.jsonl",
        drawing=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/g{{g}}/cell.svg",
        cost=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/g{{g}}/cost.json",
        status=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/g{{g}}/status.json",
    log:
        f"{RESULTS}/logs/search/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-g{{g}}.log",
    benchmark:
        f"{RESULTS}/logs/search/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-g{{g}}.tsv"
    retries: 2  # a job that was told to end, or killed, continues where it was
    conda:
        "../envs/fernas.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda w, attempt: CONFIG.methods[w.method].mem_mb * min(attempt, 2),
        runtime=2880,
        gpu=steps.gpus(CONFIG),
    params:
        names=lambda w: dict(w.items()),
        search=lambda w: steps.search_section(CONFIG, w.method),
        run=steps.run_section(CONFIG),
        seed=lambda w: steps.search_seed(CONFIG, w),
        digest=lambda w: code("fernas.search.run", *steps.search_modules(CONFIG, w.method)),
    message:
        "search: {wildcards.method} on {wildcards.task} ({wildcards.scope}, seed {wildcards.ss}, group {wildcards.g})"
    script:
        "../workflow_scripts/search.py"
