# Models for use: trained on all subjects, with their accuracy quoted from cross-validation.


localrules:
    final,


rule final:
    input:
        lambda w: steps.final_models(CONFIG),


rule final_model:
    input:
        inputs=lambda w: steps.inputs_file(CONFIG, w.task, w.method),
        table=lambda w: steps.inputs_table(CONFIG, w.task, w.method),
        folds=rules.make_folds.output.train,
        audit=rules.audit_folds.output.audit,
        architecture=lambda w: steps.final_architecture(CONFIG, w),
        scores=lambda w: steps.final_scores(CONFIG, w),
    output:
        model=f"{RESULTS}/final/{{task}}/{{protocol}}/{{method}}/model.safetensors",
        description=f"{RESULTS}/final/{{task}}/{{protocol}}/{{method}}/architecture.json",
        preprocessing=f"{RESULTS}/final/{{task}}/{{protocol}}/{{method}}/preprocessing.json",
        card=f"{RESULTS}/final/{{task}}/{{protocol}}/{{method}}/card.json",
    log:
        f"{RESULTS}/logs/final_model/{{task}}/{{protocol}}/{{method}}.log",
    benchmark:
        f"{RESULTS}/logs/final_model/{{task}}/{{protocol}}/{{method}}.tsv"
    retries: 1
    conda:
        "../envs/fernas.yaml"
    threads: CONFIG.threads
    resources:
        mem_mb=lambda w, attempt: CONFIG.methods[w.method].mem_mb * attempt,
        runtime=2880,
        gpu=steps.gpus(CONFIG),
    params:
        names=lambda w: dict(w.items()),
        method=lambda w: steps.train_section(CONFIG, w.method),
        before=lambda w: steps.final_section(CONFIG, w),
        run=steps.run_section(CONFIG),
        seed=CONFIG.seed,
        digest=lambda w: code("fernas.deploy.final", *steps.train_modules(CONFIG, w.method)),
    message:
        "final model: {wildcards.method} on all subjects of {wildcards.task}"
    script:
        "../workflow_scripts/final_model.py"
