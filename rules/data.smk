# A dataset: rendered or real -> manifest -> audit -> faces.


rule synthesize:
    output:
        truth=f"{RESULTS}/rendered/{{dataset}}/truth.json",
    log:
        f"{RESULTS}/logs/synthesize/{{dataset}}.log",
    benchmark:
        f"{RESULTS}/logs/synthesize/{{dataset}}.tsv"
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=1000,
        runtime=60,
    params:
        root=lambda w: f"{RESULTS}/rendered/{w.dataset}/dataset",
        dataset="{dataset}",
        layout=lambda w: steps.layout_of(CONFIG, w.dataset),
        config=lambda w: steps.rendered_options(CONFIG, w.dataset),
        code=lambda w: code("fernas.synth", plugins.module_name("synth/layouts", steps.layout_of(CONFIG, w.dataset))),
    message:
        "render {wildcards.dataset} in its real on-disk layout"
    script:
        "../workflow_scripts/synthesize.py"


rule build_manifest:
    input:
        truth=lambda w: steps.truth_files(CONFIG, w.data),
        parts=lambda w: steps.part_files(CONFIG, w.data, "manifest.parquet"),
    output:
        manifest=f"{RESULTS}/data/{{data}}/manifest.parquet",
    log:
        f"{RESULTS}/logs/build_manifest/{{data}}.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        dataset=lambda w: grid.plain_name(w.data),
        roots=lambda w: steps.data_roots(CONFIG, w.data),
        adapters=lambda w: steps.adapter_names(CONFIG, w.data),
        options=lambda w: steps.dataset_options(CONFIG, w.data),
        code=lambda w: code("fernas.datasets.manifest", steps.adapter_module(CONFIG, w.data)),
    message:
        "read the dataset {wildcards.data}"
    script:
        "../workflow_scripts/build_manifest.py"


rule audit_dataset:
    input:
        manifest=rules.build_manifest.output.manifest,
        truth=lambda w: steps.truth_files(CONFIG, w.data),
    output:
        audit=f"{RESULTS}/data/{{data}}/audit.json",
        groups=f"{RESULTS}/data/{{data}}/groups.parquet",
    log:
        f"{RESULTS}/logs/audit_dataset/{{data}}.log",
    benchmark:
        f"{RESULTS}/logs/audit_dataset/{{data}}.tsv"
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=240,
    params:
        dataset=lambda w: grid.plain_name(w.data),
        roots=lambda w: steps.data_roots(CONFIG, w.data),
        adapters=lambda w: steps.adapter_names(CONFIG, w.data),
        options=lambda w: CONFIG.audit.model_dump(mode="json"),
        code=lambda w: code(
            "fernas.datasets.audit",
            "fernas.datasets.demographics",
            *steps.data_adapters(CONFIG, w.data),
        ),
    message:
        "audit the dataset {wildcards.data}"
    script:
        "../workflow_scripts/audit_dataset.py"


rule align_faces:
    input:
        manifest=rules.build_manifest.output.manifest,
        audit=rules.audit_dataset.output.audit,
        parts=lambda w: steps.part_files(CONFIG, w.data, "faces.parquet"),
        previews_of_parts=lambda w: steps.part_files(CONFIG, w.data, "previews.npy"),
    output:
        faces=f"{RESULTS}/data/{{data}}/faces.parquet",
        previews=f"{RESULTS}/data/{{data}}/previews.npy",
        card=f"{RESULTS}/data/{{data}}/card.md",
    log:
        f"{RESULTS}/logs/align_faces/{{data}}.log",
    benchmark:
        f"{RESULTS}/logs/align_faces/{{data}}.tsv"
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=480,
    params:
        dataset=lambda w: grid.plain_name(w.data),
        roots=lambda w: steps.data_roots(CONFIG, w.data),
        adapters=lambda w: steps.adapter_names(CONFIG, w.data),
        config=CONFIG.faces.model_dump(mode="json"),
        code=lambda w: code(
            "fernas.faces.align",
            "fernas.datasets.card",
            *steps.data_adapters(CONFIG, w.data),
        ),
    message:
        "detect and align the faces of {wildcards.data}"
    script:
        "../workflow_scripts/align_faces.py"
