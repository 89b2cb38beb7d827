# The tables and the report.


# Those that Snakemake's own report shows.
MARKED = (layout.comparison, layout.tables / "paired.csv")


rule compare:
    input:
        scores=targets.score_files(study),
        records=targets.record_files(study),
    output:
        report(
            layout.comparison,
            category="Tables",
            labels={"table": "all methods"},
        ),
        report(
            layout.tables / "paired.csv",
            category="Tables",
            labels={"table": "paired tests"},
        ),
        [path for path in targets.table_files(study) if path not in MARKED],
        directory(layout.drawings),
    log:
        paths.log("compare"),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=whole_config,
        compared=params.results_config(study),
        code=lambda wildcards: code(rules.compare, wildcards, "fernas.reporting.compare", *params.metric_modules()),
    message:
        "compare all methods"
    script:
        "../workflow_scripts/compare.py"


rule report:
    input:
        targets.table_files(study),
        layout.drawings,
    output:
        report=report(
            layout.report.index,
            category="Report",
            labels={"table": "the report"},
        ),
        pages=[path for path in targets.report_files(study) if path != layout.report.index],
    log:
        paths.log("report"),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=whole_config,
        compared=params.results_config(study),
        code=lambda wildcards: code(rules.report, wildcards, "fernas.reporting.report"),
    message:
        "write the report"
    script:
        "../workflow_scripts/report.py"
