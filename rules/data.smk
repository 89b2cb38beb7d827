# A dataset: rendered or real -> manifest -> audit -> faces.


rule synthesize:
    output:
        truth=paths.rendered.truth,
        root=directory(paths.rendered.root),
    log:
        paths.log("synthesize", paths.rendered),
    benchmark:
        paths.benchmark("synthesize", paths.rendered)
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        dataset="{dataset}",
        layout=lambda wildcards: study.datasets[wildcards.dataset].adapter,
        config=lambda wildcards: params.rendered_section(study, wildcards.dataset),
        code=lambda wildcards: code(
            rules.synthesize, wildcards, "fernas.synth", params.layout_module(study, wildcards.dataset)
        ),
    message:
        "render {wildcards.dataset} in its real on-disk layout"
    script:
        "../workflow_scripts/synthesize.py"


# Jobs need the folder of synthetic faces, and its date says nothing: `truth` changes where the faces do.
rule build_manifest:
    input:
        rendered=ancient(lambda wildcards: inputs.rendered_of(study, wildcards)),
        truth=lambda wildcards: inputs.truth_of(study, wildcards),
        parts=lambda wildcards: [part.manifest for part in inputs.parts_of(study, wildcards)],
    output:
        manifest=paths.dataset.manifest,
    log:
        paths.log("build_manifest", paths.dataset),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        source=lambda wildcards: params.source_section(study.dataset_of(wildcards.data)),
        options=lambda wildcards: params.ordered(study.dataset_of(wildcards.data).section.options),
        code=lambda wildcards: code(
            rules.build_manifest,
            wildcards,
            "fernas.datasets.manifest",
            study.dataset_of(wildcards.data).adapter_module,
        ),
    message:
        "read the dataset {wildcards.data}"
    script:
        "../workflow_scripts/build_manifest.py"


rule audit_dataset:
    input:
        rendered=ancient(lambda wildcards: inputs.rendered_of(study, wildcards)),
        manifest=paths.dataset.manifest,
        truth=lambda wildcards: inputs.truth_of(study, wildcards),
    output:
        audit=paths.dataset.audit,
        groups=paths.dataset.groups,
    log:
        paths.log("audit_dataset", paths.dataset),
    benchmark:
        paths.benchmark("audit_dataset", paths.dataset)
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        source=lambda wildcards: params.source_section(study.dataset_of(wildcards.data)),
        options=section("audit"),
        code=lambda wildcards: code(
            rules.audit_dataset,
            wildcards,
            "fernas.datasets.audit",
            "fernas.datasets.demographics",
            *params.adapter_modules(study.dataset_of(wildcards.data)),
        ),
    message:
        "audit the dataset {wildcards.data}"
    script:
        "../workflow_scripts/audit_dataset.py"


rule align_faces:
    input:
        rendered=ancient(lambda wildcards: inputs.rendered_of(study, wildcards)),
        manifest=paths.dataset.manifest,
        audit=paths.dataset.audit,
        parts=lambda wildcards: [part.faces for part in inputs.parts_of(study, wildcards)],
        previews_of_parts=lambda wildcards: [part.previews for part in inputs.parts_of(study, wildcards)],
    output:
        faces=paths.dataset.faces,
        previews=paths.dataset.previews,
        card=paths.dataset.card,
    log:
        paths.log("align_faces", paths.dataset),
    benchmark:
        paths.benchmark("align_faces", paths.dataset)
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=480,
    params:
        source=lambda wildcards: params.source_section(study.dataset_of(wildcards.data)),
        config=section("faces"),
        code=lambda wildcards: code(
            rules.align_faces,
            wildcards,
            "fernas.faces.align",
            "fernas.datasets.card",
            *params.adapter_modules(study.dataset_of(wildcards.data)),
        ),
    message:
        "detect and align the faces of {wildcards.data}"
    script:
        "../workflow_scripts/align_faces.py"
