"""Split the samples of a task into folds, fold groups and parts."""

from typing import Any

from fernas.core.jobs import run_rule


def main(
    manifest: str,
    audit: str,
    table: str,
    train: str,
    test: str,
    task: dict[str, Any],
    protocol: dict[str, Any],
    name: str,
    same_people: dict[str, list[str]],
    seed: int,
) -> None:
    """Write folds.train.json (train splits only) and folds.test.json (read by prediction alone)."""
    from fernas.core.config import ProtocolConfig, TaskConfig
    from fernas.core.io import read_json, read_parquet, write_json
    from fernas.datasets.tasks import task_samples
    from fernas.protocols.folds import SplitSpec, make_folds

    settings = ProtocolConfig(**protocol)
    samples = usable(task_samples(read_parquet(manifest), TaskConfig(**task)), read_parquet(table))
    spec = SplitSpec(
        kind=settings.kind,
        options=settings.options,
        fold_groups=settings.groups,
        parts=settings.parts.model_dump(),
        seed=seed,
        policy=settings.duplicates,
        name=name,
        classes=samples.attrs["classes"],
        same_people=same_people,
    )
    train_document, test_document = make_folds(samples, spec, read_json(audit)["duplicates"])
    write_json(test, test_document)
    write_json(train, train_document)


def usable(samples: Any, inputs: Any) -> Any:
    """The task's samples that have an input (not excluded for a missing face or a one-frame clip)."""
    kept = set(inputs.loc[inputs["excluded"].isna(), "sample_id"])
    return samples[samples["sample_id"].isin(kept)].reset_index(drop=True)


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
