"""What the files of one method run say: status, leaks, confidence interval, size of its networks, cost."""

import functools
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core.errors import FernasError
from fernas.core.io import canonical_json, read_parquet
from fernas.reporting.stored import RunFiles, TrainingFiles, number, optional_json, run_costs
from fernas.study import ResultsLayout
from fernas.study.runs import SCOPE_LEAKS

Scored = Sequence[tuple[TrainingFiles, dict[str, Any]]]  # the finished repetitions of a run, each with its scores
MAX_LEAKS = 3


def scored_repetitions(run: RunFiles) -> list[tuple[TrainingFiles, dict[str, Any]]]:
    """The repetitions of a run that have a UAR, each with its scores.json."""
    scored = [(training, optional_json(training.folder / "scores.json")) for training in run.trainings]
    return [(training, scores) for training, scores in scored if number(scores, "uar") is not None]


def run_status(run: RunFiles, scored: int) -> tuple[str, str]:
    """("ok" | "failed" | "skipped", reason) of a method run from the status files of its jobs."""
    jobs = [(f"search s{s.search_seed} g{s.fold_group}", s.folder) for s in run.searches]
    for training in run.trainings:
        name = f"s{training.search_seed} t{training.train_seed}"
        jobs += [(f"training {name} shard {shard.shard}", shard.folder) for shard in training.shards]
        jobs.append((f"scores {name}", training.folder))
    statuses = [(name, optional_json(folder / "status.json")) for name, folder in jobs]
    for state in ("failed", "skipped"):
        for name, status in statuses:
            if status.get("status") == state:
                reason = str(status.get("reason") or "no reason recorded")
                return state, reason if state == "skipped" else f"{name}: {reason}"
    for name, status in statuses:
        if status.get("status") == "killed":
            return "failed", f"{name}: killed; run again to continue"
    unscored = [training for training in run.trainings if not (training.folder / "scores.json").is_file()]
    if scored and not unscored:
        return "ok", ""
    return "skipped", "not finished: run again to continue" if statuses else "not run yet"


def constant_note(scores: Sequence[dict[str, Any]]) -> str:
    """A remark on repetitions that nearly always predict the same class, over all samples or within whole folds."""
    tops = [s.get("top_prediction") or {} for s in scores if s.get("constant_predictor")]
    if tops:
        names = ", ".join(sorted({str(top.get("class", "one class")) for top in tops}))
        return f"constant predictor in {len(tops)} of {len(scores)} seeds: {names}"
    constant, folds = sum(len(s.get("constant_folds") or []) for s in scores), sum(s.get("folds", 0) for s in scores)
    return f"one class for all samples in {constant} of {folds} folds" if constant else ""


def fold_count(results: Path, run: RunFiles, scored: Scored) -> int | None:
    """The number of folds, from the fold file or the scores."""
    document = optional_json(ResultsLayout(results).task(run.task_dir).folds(run.protocol).train)
    if "folds" in document:
        return len(document["folds"])
    return next((int(folds) for _, scores in scored if (folds := number(scores, "folds")) is not None), None)


def audit_leaks(audit: Mapping[str, Any]) -> list[str]:
    """The leaks that the audit of the folds counted, in words."""
    leaks = audit.get("leaks") or []
    return [f"{key}: {value}" for key, value in leaks.items()] if isinstance(leaks, dict) else [str(x) for x in leaks]


def leaks(results: Path, run: RunFiles) -> list[str]:
    """What of the test split a run may have seen: the findings of the audit and what its search scope implies."""
    texts = audit_leaks(optional_json(ResultsLayout(results).task(run.task_dir).folds(run.protocol).audit))
    if run.scope in SCOPE_LEAKS:
        texts.append(SCOPE_LEAKS[run.scope])
    if len(texts) > MAX_LEAKS:
        texts = [*texts[: MAX_LEAKS - 1], f"and {len(texts) - MAX_LEAKS + 1} more (audit.json)"]
    return texts


def confidence_interval(scored: Scored, options: Mapping[str, Any]) -> tuple[float, float]:
    """The confidence interval of the pooled UAR; NaN where there is none.

    With several seeds the bootstrap is done anew over all of them: a resampled subject brings all its seeds along.

    Args:
        scored: the finished repetitions.
        options: section `scoring` of the config.
    """
    if len(scored) == 1:
        return _bounds(scored[0][1])
    if not scored:
        return np.nan, np.nan
    from fernas.scoring.scores import score_seeds

    try:
        frames = [read_parquet(training.folder / "predictions.parquet") for training, _ in scored]
        classes = [column.removeprefix("p_") for column in frames[0].columns if column.startswith("p_")]
        return _bounds(score_seeds(frames, classes, **options))
    except FernasError:  # a broken file, or seeds of different folds in the middle of a changed study
        return np.nan, np.nan


def _bounds(scores: dict[str, Any]) -> tuple[float, float]:
    pair = (scores.get("interval") or {}).get("uar")
    return (float(pair[0]), float(pair[1])) if pair and None not in pair else (np.nan, np.nan)


def run_complexity(run: RunFiles) -> dict[str, float | None]:
    """Mean parameters and multiply-accumulates of the searched networks of a run, at the task's class count."""
    values: dict[str, list[float]] = defaultdict(list)
    for search in run.searches:
        document = optional_json(search.folder / "architecture.json")
        if document.get("network"):
            for name, value in _complexity(canonical_json(document)).items():
                values[name].append(value)
    return {name: float(np.mean(values[name])) if values[name] else None for name in ("params", "macs")}


@functools.lru_cache(maxsize=4096)  # one network stands in many runs: fixed ones, those of transferred searches
def _complexity(document: str) -> dict[str, float]:
    from fernas.core.architecture import parse_architecture
    from fernas.spaces.complexity import macs, params

    try:
        architecture = parse_architecture(json.loads(document))
        return {"params": params(architecture), "macs": macs(architecture)}
    except FernasError:
        return {}


def search_macs(run: RunFiles) -> float | None:
    """What a repetition spent on choosing: its searches, and the learning rates that were tried and not used."""
    searched, tuned = _per_seed(run, "search", "macs"), _per_seed(run, "training", "choice_macs")
    return tuned if searched is None else searched + (tuned or 0.0)


def core_seconds(run: RunFiles) -> float | None:
    """Measured core-seconds of search and training of a repetition."""
    parts = [_per_seed(run, stage, "core_s") for stage in ("search", "training")]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def _per_seed(run: RunFiles, stage: str, key: str) -> float | None:
    """Sum of a cost over the jobs of a stage, per repetition of that stage."""
    values = [value for job, cost in run_costs(run) if job == stage and (value := number(cost, key)) is not None]
    if not values:
        return None
    repetitions = len({s.search_seed for s in run.searches}) if stage == "search" else len(run.trainings)
    return float(sum(values)) / max(1, repetitions)
