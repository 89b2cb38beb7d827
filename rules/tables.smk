# The tables, the report, and what closes the mirror.


rule compare:
    input:
        scores=grid.score_files(CONFIG),
        records=grid.record_files(CONFIG),
    output:
        comparison=report(
            f"{RESULTS}/comparison.csv",
            category="Tables",
            labels={"table": "all methods"},
        ),
        markdown=f"{RESULTS}/comparison.md",
        paired=report(
            f"{RESULTS}/tables/paired.csv",
            category="Tables",
            labels={"table": "paired tests"},
        ),
    log:
        f"{RESULTS}/logs/compare.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=CONFIG.model_dump(mode="json"),
        digest=code("fernas.reporting.tables", *steps.metric_modules()),
    message:
        "compare all methods"
    script:
        "../workflow_scripts/compare.py"


rule report:
    input:
        comparison=rules.compare.output.comparison,
    output:
        report=report(
            f"{RESULTS}/report/index.html",
            category="Report",
            labels={"table": "the report"},
        ),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=CONFIG.model_dump(mode="json"),
        digest=code("fernas.reporting.report"),
    message:
        "write the report"
    script:
        "../workflow_scripts/report.py"
