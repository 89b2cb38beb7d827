# The tables and the report.

FRAMES = [
    "comparison",
    "paired",
    "variance",
    "optimism",
    "search_health",
    "scores",
    "datasets",
    "groups",
    "patches",
    "published",
]
# Single tasks have more tables, named after them; which of those have rows is known once they have run.
STUDY_TABLES = ["paired", "variance", "optimism", "search_health", "published", "papers", "summary"]


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
        layout.comparison_markdown,
        [layout.tables / name for name in ("statistics.json", "ranks.json")],
        [layout.tables / f"{name}.parquet" for name in FRAMES],
        [layout.tables / f"{name}.csv" for name in STUDY_TABLES if name != "paired"],
        [layout.tables / f"{name}.{form}" for name in STUDY_TABLES for form in ("md", "tex")],
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
        [layout.tables / f"{name}.parquet" for name in FRAMES],
        layout.tables / "statistics.json",
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
        config=whole_config,
        compared=params.results_config(study),
        code=lambda wildcards: code(rules.report, wildcards, "fernas.reporting.report"),
    message:
        "write the report"
    script:
        "../workflow_scripts/report.py"
