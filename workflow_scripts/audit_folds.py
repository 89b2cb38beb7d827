"""Check the folds: no subject, no sequence and no image is in both the train and the test split."""

from fernas.workflow.job import run_rule


def main(samples: str, dataset_audit: str, train: str, test: str, audit: str, duplicates: str) -> None:
    """Write the audit of the folds; a ContractError names what leaks."""
    from fernas.core.io import read_json, write_json
    from fernas.datasets.tasks import read_samples
    from fernas.protocols.audit import audit_folds

    pairs = read_json(dataset_audit)["duplicates"]
    write_json(audit, audit_folds(read_samples(samples), read_json(train), read_json(test), pairs, duplicates))


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
