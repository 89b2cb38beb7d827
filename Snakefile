"""fernas: from frames to comparison tables.

snakemake --cores all            the study of config.yaml (rendered faces unless you say otherwise)
snakemake --cores all ckplus     one dataset
snakemake --cores all --configfile configs/papers/emonas.yaml
"""

from snakemake.utils import min_version

min_version("9.0")

if not workflow.config_settings.configfiles:

    configfile: "config.yaml"


include: "rules/common.smk"
include: "rules/data.smk"
include: "rules/tasks.smk"
include: "rules/search.smk"
include: "rules/train.smk"
include: "rules/tables.smk"
include: "rules/complexity.smk"
include: "rules/ablation.smk"
include: "rules/final.smk"
include: "rules/targets.smk"


localrules:
    all,


rule all:
    default_target: True
    input:
        targets.all_files(study),


onstart:
    handlers.started(study)


onsuccess:
    handlers.ended(study, "ok")


onerror:
    handlers.ended(study, "failed", log)
