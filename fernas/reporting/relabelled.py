"""What relabelling did, from relabel.jsonl: swaps per epoch and pair, and what became of the swapped labels."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from fernas.reporting.figures import Panel
from fernas.reporting.stored import RunFiles, optional_jsonl

FILE = "relabel.jsonl"
PAIRS = 4  # drawn; all of them are in the file
FATES = {  # what the network says of the labels swapped in the epoch before
    "now_answered_as_swapped": "as swapped",
    "now_answered_as_stored": "as stored",
    "now_swapped_again": "swapped again",
}


@dataclass
class SwapLog:
    """Sums over the folds and seeds of a method.

    Attributes:
        swaps: epoch -> labels swapped.
        pairs: `stored>learned` -> epoch -> labels swapped.
        fates: epoch -> name of a fate, or `before` for the labels swapped in the epoch before -> count.
        samples: samples that were swapped at least once.
        predicted: as stored, as swapped or another -> for how many of them the last epoch predicts so.
    """

    swaps: Counter[int] = field(default_factory=Counter)
    pairs: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    fates: dict[int, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    samples: int = 0
    predicted: Counter[str] = field(default_factory=Counter)


def swap_log(run: RunFiles) -> SwapLog | None:
    """The account of all shards of a method run, or None where none has one."""
    rows = [row for folder in run.shards for row in optional_jsonl(folder / FILE)]
    if not rows:
        return None
    log = SwapLog()
    for row in rows:
        if row.get("kind") == "epoch":
            _add_epoch(log, row)
        elif row.get("kind") == "sample":
            log.samples += 1
            log.predicted[str(row.get("answered"))] += 1
    return log


def _add_epoch(log: SwapLog, row: dict[str, Any]) -> None:
    epoch = int(row["epoch"])
    log.swaps[epoch] += int(row["swaps"])
    for pair, count in row["pairs"].items():
        log.pairs[pair][epoch] += int(count)
    log.fates[epoch]["before"] += int(row["swapped_before"])
    for name in FATES:
        log.fates[epoch][name] += int(row[name])


def swap_panels(log: SwapLog) -> tuple[list[Panel], str]:
    """The curves of a method's swaps, and the same in words."""
    epochs = sorted(log.swaps)
    steps = [float(epoch) for epoch in epochs]
    totals = {pair: sum(counts.values()) for pair, counts in log.pairs.items()}
    ranked = sorted(totals, key=lambda pair: (-totals[pair], pair))[:PAIRS]
    series = {"all": (steps, [float(log.swaps[epoch]) for epoch in epochs])}
    series |= {pair: (steps, [float(log.pairs[pair][epoch]) for epoch in epochs]) for pair in ranked}
    panels = [Panel("labels swapped", series)]
    after = [epoch for epoch in epochs if log.fates[epoch]["before"]]
    if after:
        shares = {
            legend: (
                [float(epoch) for epoch in after],
                [log.fates[epoch][name] / log.fates[epoch]["before"] for epoch in after],
            )
            for name, legend in FATES.items()
        }
        panels.append(Panel("prediction one epoch after a swap, share", shares))
    most = ", ".join(f"{pair.replace('>', ' to ')} {totals[pair]}" for pair in ranked) or "none"
    words = f"{sum(log.swaps.values())} swaps in {len(epochs)} epochs; most often {most}"
    if log.samples:
        ends = ", ".join(f"{log.predicted[name]} {name}" for name in ("as stored", "as swapped", "another"))
        words += f"; of {log.samples} samples ever swapped the last epoch predicts {ends}"
    return panels, words
