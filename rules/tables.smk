# The tables, the report, and what closes the mirror.


rule compare:
    input:
        scores=targets.score_files(study),
        records=targets.record_files(study),
    output:
        comparison=report(
            layout.comparison,
            category="Tables",
            labels={"table": "all methods"},
        ),
        markdown=layout.comparison_markdown,
        paired=report(
            layout.tables / "paired.csv",
            category="Tables",
            labels={"table": "paired tests"},
        ),
    log:
        paths.log("compare"),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=study.config.model_dump(mode="json"),
        code=code("fernas.reporting.tables", *params.metric_modules()),
    message:
        "compare all methods"
    script:
        "../workflow_scripts/compare.py"


rule report:
    input:
        comparison=layout.comparison,
    output:
        report=report(
            layout.report.index,
            category="Report",
            labels={"table": "the report"},
        ),
    log:
        paths.log("report"),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=study.config.model_dump(mode="json"),
        code=code("fernas.reporting.report"),
    message:
        "write the report"
    script:
        "../workflow_scripts/report.py"
