# The tables, the report, and what closes the mirror.


rule compare:
    input:
        scores=grid.score_files(CONFIG),
    output:
        comparison=f"{RESULTS}/comparison.csv",
        markdown=f"{RESULTS}/comparison.md",
    params:
        config=CONFIG.model_dump(mode="json"),
        digest=code("fernas.reporting.tables"),
    log:
        f"{RESULTS}/logs/compare.log",
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        "../envs/fernas.yaml"
    message:
        "compare all methods"
    script:
        "../workflow_scripts/compare.py"


rule report:
    input:
        comparison=rules.compare.output.comparison,
    output:
        report=f"{RESULTS}/report/index.html",
    params:
        config=CONFIG.model_dump(mode="json"),
        digest=code("fernas.reporting.report"),
    log:
        f"{RESULTS}/logs/report.log",
    resources:
        mem_mb=2000,
        runtime=60,
    conda:
        "../envs/fernas.yaml"
    message:
        "write the report"
    script:
        "../workflow_scripts/report.py"
