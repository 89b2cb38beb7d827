"""What all benchmarks share: both sides in turn, one record each in results/benchmarks.json."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fernas.core.io import read_json, write_json

RESULTS = Path(__file__).resolve().parent.parent / "results" / "benchmarks.json"
Side = Callable[[], Any]


def seconds(side: Side, clock: Callable[[], float] = time.perf_counter) -> float:
    """Time of one run."""
    gc.collect()
    start = clock()
    side()
    return clock() - start


def run_pair(
    name: str,
    ours: Side,
    other: Side,
    rounds: int = 5,
    threads: int = 1,
    path: Path = RESULTS,
    clock: str = "wall",
) -> dict[str, Any]:
    """Times both sides in turn; the record of `run_sides`."""
    return run_sides({name: ours}, other, rounds, threads, path, clock)[0]


def run_sides(
    ours: Mapping[str, Side],
    other: Side,
    rounds: int = 5,
    threads: int = 1,
    path: Path = RESULTS,
    clock: str = "wall",
) -> list[dict[str, Any]]:
    """Times all sides in turn, `rounds` times, after one round that is not counted, and records a ratio for each name.

    The ratio is the median over rounds of other / ours within a round, since a machine that slows down slows both; the
    spread is its smallest and largest value. Seconds are medians. `threads` is recorded, not set. `clock="cpu"` counts
    the processor time of this process: for work of one thread that touches no file it is the wall time of an idle
    machine, also where others work beside it.
    """
    tick = {"wall": time.perf_counter, "cpu": time.process_time}[clock]
    for side in (*ours.values(), other):
        side()
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ours}
    for _ in range(rounds):
        our_times = {name: seconds(side, tick) for name, side in ours.items()}
        reference = seconds(other, tick)
        for name, value in our_times.items():
            times[name].append((value, reference))
    return [_record(name, pairs, threads, path) for name, pairs in times.items()]


def _record(name: str, pairs: list[tuple[float, float]], threads: int, path: Path) -> dict[str, Any]:
    ratios = [b / a for a, b in pairs]
    record = {
        "name": name,
        "ratio": round(statistics.median(ratios), 3),
        "ours_s": round(statistics.median(a for a, _ in pairs), 6),
        "other_s": round(statistics.median(b for _, b in pairs), 6),
        "spread": [round(min(ratios), 3), round(max(ratios), 3)],
        "threads": threads,
    }
    add_record(record, path)
    print(
        f"{name}: {record['ratio']:.2f}x [{min(ratios):.2f}, {max(ratios):.2f}]  ours {record['ours_s']:.4f} s, "
        f"other {record['other_s']:.4f} s, {threads} thread(s), {len(pairs)} round(s)",
        flush=True,
    )
    return record


def add_record(record: dict[str, Any], path: Path = RESULTS) -> None:
    """Puts a record in the place of the one with its name and threads, or at the end."""
    old = read_json(path) if path.exists() else []
    key = (record["name"], record["threads"])
    write_json(path, [r for r in old if (r["name"], r["threads"]) != key] + [record])
