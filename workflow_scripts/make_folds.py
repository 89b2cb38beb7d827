"""Split the samples of a task into folds, fold groups and parts."""

from typing import Any

from fernas.workflow.job import run_rule


def main(samples: str, table: str, audit: str, train: str, test: str, split: dict[str, Any]) -> None:
    """Write folds.train.json (train splits only) and folds.test.json (read by prediction alone)."""
    from fernas.core.config import ProtocolConfig
    from fernas.core.io import read_json, read_parquet, write_json
    from fernas.datasets.tasks import read_samples, with_inputs
    from fernas.protocols.folds import SplitSpec, make_folds

    protocol = ProtocolConfig(**split["protocol"])
    rows = with_inputs(read_samples(samples), read_parquet(table))
    spec = SplitSpec(
        kind=protocol.kind,
        options=protocol.options,
        fold_groups=protocol.groups,
        parts=protocol.parts.model_dump(),
        stratify=protocol.stratify,
        seed=split["seed"],
        policy=protocol.duplicates,
        name=split["name"],
        classes=rows.attrs["classes"],
        same_people=split["same_people"],
    )
    train_document, test_document = make_folds(rows, spec, read_json(audit)["duplicates"])
    write_json(test, test_document)
    write_json(train, train_document)


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
