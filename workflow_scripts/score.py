"""Score the predictions of one trained repetition."""

from pathlib import Path
from typing import Any

from fernas.workflow.job import run_rule


def main(
    predictions: str,
    statuses: list[str],
    folds: str,
    groups: str,
    scores: str,
    status: str,
    scoring: dict[str, Any],
    seed: int,
) -> None:
    """Write scores.json and the status of the repetition; a failed shard gives empty scores and its reason."""
    from fernas.core.io import read_json, read_parquet, write_json
    from fernas.core.run_log import RunLog
    from fernas.scoring.demographics import demographic_scores
    from fernas.scoring.scores import score_predictions

    log = RunLog(Path(status).parent)
    log.start({"stage": "score"})
    failures = [s for s in (read_json(path) for path in statuses) if s["status"] != "ok"]
    if failures:
        write_json(scores, {})
        log.finish("failed", failures[0]["reason"])
        return
    table, settings = read_parquet(predictions), {**scoring, "seed": seed}
    document = score_predictions(table, read_json(folds)["classes"], **settings)
    document["groups"] = demographic_scores([table], read_parquet(groups), document["classes"], **settings)
    write_json(scores, document)
    log.finish("ok")


if "snakemake" in globals():
    run_rule(snakemake, main)  # noqa: F821
