# Models for use: trained on all subjects, with their accuracy quoted from cross-validation.


localrules:
    final,


rule final:
    input:
        lambda wildcards: targets.final_models(study),


rule final_model:
    input:
        inputs=lambda wildcards: inputs.inputs_of(study, wildcards).inputs,
        table=lambda wildcards: inputs.inputs_of(study, wildcards).table,
        faces=lambda wildcards: inputs.dataset_of(study, wildcards).faces,
        folds=paths.folds.train,
        audit=paths.folds.audit,
        architecture=lambda wildcards: inputs.final_architecture(study, wildcards),
        scores=lambda wildcards: inputs.final_scores(study, wildcards),
    output:
        model=paths.final.model,
        description=paths.final.architecture,
        preprocessing=paths.final.preprocessing,
        card=paths.final.card,
    log:
        paths.log("final_model", paths.final),
    benchmark:
        paths.benchmark("final_model", paths.final)
    retries: 1
    conda:
        "../envs/fernas.yaml"
    threads: study.config.threads
    resources:
        mem_mb=memory,
        runtime=2880,
        gpu=params.gpus(study),
    params:
        method=lambda wildcards: params.train_section(study, wildcards.method),
        image=lambda wildcards: params.image_section(study, wildcards),
        run=how_to_run,
        seed=study.config.seed,
        code=lambda wildcards: code(
            rules.final_model, wildcards, "fernas.deploy.final", *params.train_modules(study, wildcards.method)
        ),
    message:
        "final model: {wildcards.method} on all subjects of {wildcards.task}"
    script:
        "../workflow_scripts/final_model.py"
