# A task: its samples, what networks see (inputs), and the train and test splits (folds).


rule make_samples:
    input:
        manifest=lambda wildcards: inputs.dataset_of(study, wildcards).manifest,
    output:
        samples=paths.task.samples,
    log:
        paths.log("make_samples", paths.task),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        task=lambda wildcards: params.task_section(study.task_of(wildcards.task)),
        code=lambda wildcards: code(rules.make_samples, wildcards, "fernas.datasets.tasks"),
    message:
        "list the samples of {wildcards.task}"
    script:
        "../workflow_scripts/make_samples.py"


rule make_inputs:
    input:
        rendered=ancient(lambda wildcards: inputs.rendered_of(study, wildcards)),
        samples=paths.task.samples,
        manifest=lambda wildcards: inputs.dataset_of(study, wildcards).manifest,
        faces=lambda wildcards: inputs.dataset_of(study, wildcards).faces,
    output:
        inputs=paths.inputs.inputs,
        table=paths.inputs.table,
    log:
        paths.log("make_inputs", paths.inputs),
    benchmark:
        paths.benchmark("make_inputs", paths.inputs)
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=480,
    params:
        source=lambda wildcards: params.source_section(study.task_of(wildcards.task).dataset),
        no_face=lambda wildcards: study.task_of(wildcards.task).section.no_face,
        view=lambda wildcards: params.view_section(study, wildcards.view),
        code=lambda wildcards: code(
            rules.make_inputs,
            wildcards,
            "fernas.views.inputs",
            "fernas.datasets.tasks",
            params.view_module(study, wildcards.view),
            *params.adapter_modules(study.task_of(wildcards.task).dataset),
        ),
    message:
        "make the inputs {wildcards.view} of {wildcards.task}"
    script:
        "../workflow_scripts/make_inputs.py"


rule make_folds:
    input:
        samples=paths.task.samples,
        audit=lambda wildcards: inputs.dataset_of(study, wildcards).audit,
        table=lambda wildcards: study.task_of(wildcards.task).inputs().table,
    output:
        train=paths.folds.train,
        test=paths.folds.test,
    log:
        paths.log("make_folds", paths.folds),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        split=lambda wildcards: params.split_section(study, wildcards),
        code=lambda wildcards: code(
            rules.make_folds,
            wildcards,
            "fernas.protocols.folds",
            "fernas.datasets.tasks",
            params.protocol_module(study, wildcards.protocol),
        ),
    message:
        "split {wildcards.task} by {wildcards.protocol}"
    script:
        "../workflow_scripts/make_folds.py"


rule audit_folds:
    input:
        samples=paths.task.samples,
        dataset_audit=lambda wildcards: inputs.dataset_of(study, wildcards).audit,
        train=paths.folds.train,
        test=paths.folds.test,
    output:
        audit=paths.folds.audit,
    log:
        paths.log("audit_folds", paths.folds),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        duplicates=lambda wildcards: study.protocols[wildcards.protocol].duplicates,
        code=lambda wildcards: code(rules.audit_folds, wildcards, "fernas.protocols.audit", "fernas.datasets.tasks"),
    message:
        "check that no subject and no image is in the train and the test split of {wildcards.task} {wildcards.protocol}"
    script:
        "../workflow_scripts/audit_folds.py"
