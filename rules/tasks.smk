# A task: what networks see (inputs) and which subjects are in which split (folds).


rule make_inputs:
    input:
        manifest=lambda w: steps.data_file(CONFIG, w.task, "manifest.parquet"),
        faces=lambda w: steps.data_file(CONFIG, w.task, "faces.parquet"),
    output:
        inputs=f"{RESULTS}/tasks/{{task}}/{{view}}/inputs.npy",
        table=f"{RESULTS}/tasks/{{task}}/{{view}}/inputs.parquet",
    log:
        f"{RESULTS}/logs/make_inputs/{{task}}/{{view}}.log",
    benchmark:
        f"{RESULTS}/logs/make_inputs/{{task}}/{{view}}.tsv"
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=480,
    params:
        roots=lambda w: steps.task_roots(CONFIG, w.task),
        adapters=lambda w: steps.task_adapter_names(CONFIG, w.task),
        task=lambda w: steps.task_section(CONFIG, w.task),
        view=lambda w: steps.view_section(CONFIG, w.view),
        code=lambda w: code(
            "fernas.views.inputs",
            plugins.module_name("views", CONFIG.views[w.view].kind),
            "fernas.datasets.tasks",
            *steps.adapters(CONFIG, w.task),
        ),
    message:
        "make the inputs {wildcards.view} of {wildcards.task}"
    script:
        "../workflow_scripts/make_inputs.py"


rule make_folds:
    input:
        manifest=lambda w: steps.data_file(CONFIG, w.task, "manifest.parquet"),
        audit=lambda w: steps.data_file(CONFIG, w.task, "audit.json"),
        table=lambda w: steps.inputs_table(CONFIG, w.task),
    output:
        train=f"{RESULTS}/tasks/{{task}}/{{protocol}}/folds.train.json",
        test=f"{RESULTS}/tasks/{{task}}/{{protocol}}/folds.test.json",
    log:
        f"{RESULTS}/logs/make_folds/{{task}}/{{protocol}}.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        task=lambda w: steps.task_section(CONFIG, w.task),
        protocol=lambda w: steps.protocol_section(CONFIG, w.protocol),
        name="{protocol}",
        same_people=lambda w: steps.same_people(CONFIG, w.task),
        seed=lambda w: steps.fold_seed(CONFIG, w.task, w.protocol),
        code=lambda w: code(
            "fernas.protocols.folds",
            "fernas.datasets.tasks",
            plugins.module_name("protocols", CONFIG.protocols[w.protocol].kind),
        ),
    message:
        "split {wildcards.task} by {wildcards.protocol}"
    script:
        "../workflow_scripts/make_folds.py"


rule audit_folds:
    input:
        manifest=lambda w: steps.data_file(CONFIG, w.task, "manifest.parquet"),
        dataset_audit=lambda w: steps.data_file(CONFIG, w.task, "audit.json"),
        table=lambda w: steps.inputs_table(CONFIG, w.task),
        train=rules.make_folds.output.train,
        test=rules.make_folds.output.test,
    output:
        audit=f"{RESULTS}/tasks/{{task}}/{{protocol}}/audit.json",
    log:
        f"{RESULTS}/logs/audit_folds/{{task}}/{{protocol}}.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        task=lambda w: steps.task_section(CONFIG, w.task),
        duplicates=lambda w: CONFIG.protocols[w.protocol].duplicates,
        code=lambda w: code("fernas.protocols.audit", "fernas.datasets.tasks"),
    message:
        "check that no subject and no image is in both splits of {wildcards.task} {wildcards.protocol}"
    script:
        "../workflow_scripts/audit_folds.py"
