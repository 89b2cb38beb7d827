"""Which run of a method is its best on a dataset: what the tag `best` says in the store."""

from pathlib import Path

import numpy as np
import pandas as pd

from fernas.reporting.formats import records_of
from fernas.reporting.statistics import CLEAN_SCOPES, run_of
from fernas.reporting.stored import number, optional_json


def best_runs(results: Path, frame: pd.DataFrame) -> dict[str, str]:
    """Path of a search seed's run (`<task>/<protocol>/<method>/<scope>/s<seed>`) -> `true` or `false`.

    The best one of each dataset and method has the highest UAR, averaged over its training seeds; one whose search saw
    test subjects only where the method has no other. Synthetic and real faces are apart.
    """
    candidates: dict[tuple[str, bool, str], dict[str, tuple[bool, float]]] = {}
    for record in records_of(frame[frame["status"] == "ok"]):
        run = run_of(results, record)
        seeds: dict[int, list[float]] = {}
        for training in run.trainings:
            if (value := number(optional_json(training.folder / "scores.json"), "uar")) is not None:
                seeds.setdefault(training.search_seed, []).append(value)
        scores = candidates.setdefault((str(record["dataset"]), run.rendered, run.method), {})
        clean = run.scope in CLEAN_SCOPES  # True sorts above False, so that any clean search beats any other
        scores.update({f"{run.key}/s{seed}": (clean, float(np.mean(values))) for seed, values in seeds.items()})
    tags = {}
    for scores in candidates.values():
        first = max(scores, key=lambda path: scores[path], default=None)
        tags.update({path: "true" if path == first else "false" for path in scores})
    return tags
