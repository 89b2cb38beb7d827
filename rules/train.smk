# Final networks: a shard of folds per job, then predictions (the only rule that reads test ids), then scores.


rule train:
    input:
        inputs=lambda w: steps.inputs_file(CONFIG, w.task, w.method),
        table=lambda w: steps.inputs_table(CONFIG, w.task, w.method),
        folds=rules.make_folds.output.train,
        audit=rules.audit_folds.output.audit,
        architectures=lambda w: steps.architectures(CONFIG, w),
        source=lambda w: steps.source_files(CONFIG, w, "models"),
        source_folds=lambda w: steps.source_files(CONFIG, w, "folds"),
    output:
        models=steps.kept(
            CONFIG,
            f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/shard{{shard}}/models.safetensors",
            temp,
        ),
        history=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/shard{{shard}}/training.jsonl",
        cost=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/shard{{shard}}/cost.json",
        status=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/shard{{shard}}/status.json",
    log:
        f"{RESULTS}/logs/train/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-t{{ts}}-shard{{shard}}.log",
    benchmark:
        f"{RESULTS}/logs/train/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-t{{ts}}-shard{{shard}}.tsv"
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
        method=lambda w: steps.train_section(CONFIG, w.method),
        shards=lambda w: CONFIG.protocols[w.protocol].shards,
        run=steps.run_section(CONFIG),
        seed=lambda w: steps.train_seed(CONFIG, w),
        digest=lambda w: code("fernas.training.run", *steps.train_modules(CONFIG, w.method)),
    message:
        "train: {wildcards.method} on {wildcards.task} ({wildcards.scope}, seeds {wildcards.ss}/{wildcards.ts}, "
        "shard {wildcards.shard})"
    script:
        "../workflow_scripts/train.py"


rule predict:
    input:
        inputs=lambda w: steps.inputs_file(CONFIG, w.task, w.method),
        table=lambda w: steps.inputs_table(CONFIG, w.task, w.method),
        folds=rules.make_folds.output.train,
        test_folds=rules.make_folds.output.test,
        architectures=lambda w: steps.architectures(CONFIG, w),
        models=lambda w: steps.shard_files(CONFIG, w, "models.safetensors"),
        statuses=lambda w: steps.shard_files(CONFIG, w, "status.json"),
    output:
        predictions=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/predictions.parquet",
    log:
        f"{RESULTS}/logs/predict/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-t{{ts}}.log",
    wildcard_constraints:
        method=steps.trained_methods(CONFIG),
    conda:
        "../envs/fernas.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda w, attempt: CONFIG.methods[w.method].mem_mb * attempt,
        runtime=240,
        gpu=steps.gpus(CONFIG),
    params:
        scope="{scope}",
        method=lambda w: steps.train_section(CONFIG, w.method),
        run=steps.run_section(CONFIG),
        digest=lambda w: code("fernas.training.predict", *steps.space_modules(CONFIG, w.method)),
    message:
        "predict: {wildcards.method} on {wildcards.task} ({wildcards.scope}, seeds {wildcards.ss}/{wildcards.ts})"
    script:
        "../workflow_scripts/predict.py"


rule combine:
    input:
        predictions=lambda w: steps.member_files(CONFIG, w, "predictions.parquet"),
        statuses=lambda w: steps.member_files(CONFIG, w, "status.json"),
    output:
        out=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/predictions.parquet",
    log:
        f"{RESULTS}/logs/combine/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-t{{ts}}.log",
    wildcard_constraints:
        method=steps.trained_methods(CONFIG, combined=True),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        digest=lambda w: code("fernas.training.combine"),
    message:
        "combine: {wildcards.method} on {wildcards.task} ({wildcards.scope})"
    script:
        "../workflow_scripts/combine.py"


rule score:
    input:
        predictions=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/predictions.parquet",
        statuses=lambda w: steps.statuses(CONFIG, w),
        folds=rules.make_folds.output.train,
        groups=lambda w: steps.data_file(CONFIG, w.task, "groups.parquet"),
    output:
        scores=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/scores.json",
        status=f"{RESULTS}/runs/{{task}}/{{protocol}}/{{method}}/{{scope}}/s{{ss}}/t{{ts}}/status.json",
    log:
        f"{RESULTS}/logs/score/{{task}}/{{protocol}}/{{method}}-{{scope}}-s{{ss}}-t{{ts}}.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        scoring=CONFIG.scoring.model_dump(mode="json"),
        seed=CONFIG.seed,
        digest=code("fernas.scoring.scores", "fernas.scoring.demographics", *steps.metric_modules()),
    message:
        "score: {wildcards.method} on {wildcards.task} ({wildcards.scope}, seeds {wildcards.ss}/{wildcards.ts})"
    script:
        "../workflow_scripts/score.py"
