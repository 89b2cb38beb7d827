"""Audit a dataset."""

from typing import Any

from fernas.workflow.job import run_rule


def main(
    manifest: str,
    truth: list[str],
    audit: str,
    groups: str,
    source: dict[str, Any],
    options: dict[str, Any],
) -> None:
    """Write audit.json and groups.parquet; a DataError when the run must not go on with the dataset."""
    from fernas.core.config import AuditConfig
    from fernas.core.errors import DataError
    from fernas.core.io import read_json, read_parquet, write_json, write_parquet
    from fernas.datasets.adapters import adapter_of
    from fernas.datasets.audit import audit_dataset, rendered_truths, why_refused
    from fernas.datasets.demographics import sample_groups
    from fernas.datasets.frames import FrameReader

    dataset, table = source["name"], read_parquet(manifest)
    expected = read_json(truth[0]) if truth else None
    reader = FrameReader(source["roots"], source["adapters"])
    spec = adapter_of(dataset, source["adapters"], list(source["roots"])).spec
    rules = AuditConfig(**options)
    findings = audit_dataset(spec, table, reader, expected, config=rules)
    if (reason := why_refused(findings, rules)) is not None:
        raise DataError(f"{dataset}: {reason}")
    write_parquet(groups, sample_groups(table, [expected] if expected else rendered_truths(reader.roots)))
    write_json(audit, findings)


if "snakemake" in globals():
    run_rule(snakemake, main, private=True)  # noqa: F821
