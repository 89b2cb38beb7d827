# Variants of EmoNAS (methods named emonas_...) against EmoNAS itself, as configs/ablation.yaml has them.


rule ablation:
    input:
        scores=lambda wildcards: targets.ablation_scores(study),
        comparison=layout.tables / "comparison.parquet",
    output:
        csv=layout.tables / "ablation.csv",
        markdown=layout.tables / "ablation.md",
        latex=layout.tables / "ablation.tex",
    log:
        paths.log("ablation"),
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=whole_config,
        compared=params.results_config(study),
        code=lambda wildcards: code(rules.ablation, wildcards, "fernas.reporting.ablation"),
    message:
        "compare the variants of emonas"
    script:
        "../workflow_scripts/ablation.py"
