# One target per dataset, and the parts of the whole.


localrules:
    tables,


rule tables:
    input:
        layout.comparison,


# A dataset without a root, or that no entry of the study names, has a target too: it says what is missing.
for _dataset in targets.datasets(study):

    rule:
        name:
            _dataset
        input:
            targets.dataset_input(study, _dataset),
        localrule: True
