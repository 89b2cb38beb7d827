# Final networks: a shard of folds per job, then predictions (the only rule that reads test ids), then scores.


rule train:
    input:
        inputs=lambda wildcards: inputs.inputs_of(study, wildcards).inputs,
        table=lambda wildcards: inputs.inputs_of(study, wildcards).table,
        folds=paths.folds.train,
        audit=paths.folds.audit,
        architectures=lambda wildcards: inputs.architectures_of(study, wildcards),
        source=lambda wildcards: inputs.source_models(study, wildcards),
        source_folds=lambda wildcards: inputs.source_folds(study, wildcards),
    output:
        models=paths.shard.models if params.keeps_models(study) else temp(paths.shard.models),
        history=paths.shard.history,
        metrics=paths.shard.metrics,
        cost=paths.shard.cost,
        status=paths.shard.status,
    log:
        paths.log("train", paths.shard),
    benchmark:
        paths.benchmark("train", paths.shard)
    retries: 2  # a job that was told to end, or killed, continues where it was
    conda:
        "../envs/fernas.yaml"
    threads: study.config.threads
    resources:
        mem_mb=memory,
        runtime=2880,
        gpu=params.gpus(study),
    params:
        method=lambda wildcards: params.train_section(study, wildcards.method),
        shards=lambda wildcards: study.protocols[wildcards.protocol].shards,
        run=how_to_run,
        seed=lambda wildcards: params.train_seed(study, wildcards),
        code=lambda wildcards: code(
            rules.train, wildcards, "fernas.training.run", *params.train_modules(study, wildcards.method)
        ),
    message:
        "train: {wildcards.method} on {wildcards.task} ({wildcards.scope}, "
        "seeds {wildcards.search_seed}/{wildcards.train_seed}, shard {wildcards.shard})"
    script:
        "../workflow_scripts/train.py"


rule predict:
    input:
        inputs=lambda wildcards: inputs.inputs_of(study, wildcards).inputs,
        table=lambda wildcards: inputs.inputs_of(study, wildcards).table,
        folds=paths.folds.train,
        test_folds=paths.folds.test,
        architectures=lambda wildcards: inputs.architectures_of(study, wildcards),
        models=lambda wildcards: [shard.models for shard in inputs.shards_of(study, wildcards)],
        statuses=lambda wildcards: [shard.status for shard in inputs.shards_of(study, wildcards)],
    output:
        predictions=paths.train.predictions,
    log:
        paths.log("predict", paths.train),
    wildcard_constraints:
        method=params.methods_pattern(study),
    conda:
        "../envs/fernas.yaml"
    threads: study.config.threads
    resources:
        mem_mb=lambda wildcards, attempt: study.methods[wildcards.method].mem_mb * attempt,
        runtime=240,
        gpu=params.gpus(study),
    params:
        method=lambda wildcards: params.train_section(study, wildcards.method),
        run=how_to_run,
        code=lambda wildcards: code(
            rules.predict, wildcards, "fernas.training.predict", *params.space_modules(study, wildcards.method)
        ),
    message:
        "predict: {wildcards.method} on {wildcards.task} ({wildcards.scope}, "
        "seeds {wildcards.search_seed}/{wildcards.train_seed})"
    script:
        "../workflow_scripts/predict.py"


rule combine:
    input:
        predictions=lambda wildcards: [member.predictions for member in inputs.members_of(study, wildcards)],
        statuses=lambda wildcards: [member.status for member in inputs.members_of(study, wildcards)],
    output:
        out=paths.train.predictions,
    log:
        paths.log("combine", paths.train),
    wildcard_constraints:
        method=params.methods_pattern(study, combined=True),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        code=lambda wildcards: code(rules.combine, wildcards, "fernas.training.combine"),
    message:
        "combine: {wildcards.method} on {wildcards.task} ({wildcards.scope})"
    script:
        "../workflow_scripts/combine.py"


rule score:
    input:
        predictions=paths.train.predictions,
        statuses=lambda wildcards: inputs.statuses_of(study, wildcards),
        folds=paths.folds.train,
        groups=lambda wildcards: inputs.dataset_of(study, wildcards).groups,
    output:
        scores=paths.train.scores,
        status=paths.train.status,
    log:
        paths.log("score", paths.train),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        scoring=section("scoring"),
        seed=study.config.seed,
        code=lambda wildcards: code(
            rules.score, wildcards, "fernas.scoring.scores", "fernas.scoring.demographics", *params.metric_modules()
        ),
    message:
        "score: {wildcards.method} on {wildcards.task} ({wildcards.scope}, "
        "seeds {wildcards.search_seed}/{wildcards.train_seed})"
    script:
        "../workflow_scripts/score.py"
