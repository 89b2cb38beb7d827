# Variants of EmoNAS (methods named emonas_...) against EmoNAS itself, as configs/ablation.yaml has them.


rule ablation:
    input:
        scores=lambda w: steps.ablation_scores(CONFIG),
    output:
        csv=f"{RESULTS}/tables/ablation.csv",
        markdown=f"{RESULTS}/tables/ablation.md",
        latex=f"{RESULTS}/tables/ablation.tex",
    log:
        f"{RESULTS}/logs/ablation.log",
    conda:
        "../envs/fernas.yaml"
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        config=CONFIG.model_dump(mode="json"),
        digest=code("fernas.reporting.ablation"),
    message:
        "compare the variants of emonas"
    script:
        "../workflow_scripts/ablation.py"
