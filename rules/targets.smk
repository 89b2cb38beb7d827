# One target per dataset, and the parts of the whole.


localrules:
    tables,
    ckplus,
    ck48,
    mug,
    ised,
    disfa,
    oulu,
    fer2013,
    rafdb,
    jaffe,
    casme,
    casme2,
    casme_sq,
    samm,
    smic,
    megc2019,


rule tables:
    input:
        f"{RESULTS}/comparison.csv",


rule ckplus:
    input:
        lambda w: steps.dataset_target(CONFIG, "ckplus"),


rule ck48:
    input:
        lambda w: steps.dataset_target(CONFIG, "ck48"),


rule mug:
    input:
        lambda w: steps.dataset_target(CONFIG, "mug"),


rule ised:
    input:
        lambda w: steps.dataset_target(CONFIG, "ised"),


rule disfa:
    input:
        lambda w: steps.dataset_target(CONFIG, "disfa"),


rule oulu:
    input:
        lambda w: steps.dataset_target(CONFIG, "oulu"),


rule fer2013:
    input:
        lambda w: steps.dataset_target(CONFIG, "fer2013"),


rule rafdb:
    input:
        lambda w: steps.dataset_target(CONFIG, "rafdb"),


rule jaffe:
    input:
        lambda w: steps.dataset_target(CONFIG, "jaffe"),


rule casme:
    input:
        lambda w: steps.dataset_target(CONFIG, "casme"),


rule casme2:
    input:
        lambda w: steps.dataset_target(CONFIG, "casme2"),


rule casme_sq:
    input:
        lambda w: steps.dataset_target(CONFIG, "casme_sq"),


rule samm:
    input:
        lambda w: steps.dataset_target(CONFIG, "samm"),


rule smic:
    input:
        lambda w: steps.dataset_target(CONFIG, "smic"),


rule megc2019:
    input:
        lambda w: steps.dataset_target(CONFIG, "megc2019"),


# Datasets that a config names itself (key `adapter` or `parts`) have targets too.
for _dataset in grid.more_targets(CONFIG):

    rule:
        name:
            _dataset
        input:
            steps.target_of(CONFIG, _dataset),
        localrule: True
