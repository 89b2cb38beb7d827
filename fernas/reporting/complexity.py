"""The complexity table: what the searched networks of each method cost, counted and measured on this machine."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.architecture import Architecture, read_architecture
from fernas.core.progress import progress
from fernas.reporting.formats import fixed, plain, short_count
from fernas.reporting.statistics import TASK, folder_text, run_text
from fernas.reporting.stored import number, run_costs, stored_run
from fernas.reporting.table import FILES, Column, Table
from fernas.study import ResultsLayout, Study

COLUMNS = (
    "task", "protocol", "method", "search_scope", "networks", "params", "macs", "weight_bytes", "saved_bytes",
    "search_peak_mib", "train_peak_mib", "latency_1_ms", "latency_32_ms", "frames_per_s", "frames_per_s_32",
    "macs_to_autofernet", "macs_to_published_autofernet", "input", "device", "threads", "torch", "note", "rendered",
)  # fmt: skip
BATCHES = (1, 32)
# The published network: 12 cells, 36 channels, 7 classes, one image of 1x48x48 (a test counts it).
PUBLISHED_AUTOFERNET_MACS = 836_774_208
NOT_COUNTED = "its features (LBP-TOP) are not counted"


def complexity_frame(
    results: Path, study: Study, device: str = "cpu", threads: int = 1, repeats: int = 20
) -> pd.DataFrame:
    """One row per method run with networks, means over its searches; latency on the device, alone on the machine.

    Args:
        results: the results folder.
        study: its runs are shown, in the order of its methods (the search of a final model is none of them).
        device: cpu, cuda or auto.
        threads: torch threads of the measured passes.
        repeats: timed passes per network and batch size; the median counts.
    """
    import torch

    order = list(study.methods)
    runs = [stored_run(results, run) for run in study.runs(named=True)]
    runs.sort(key=lambda run: (run.task_dir, run.protocol, order.index(run.method), run.scope))
    rows = []
    for run in progress(runs, total=len(runs), desc="measure networks"):
        files = [path for search in run.searches if (path := search.folder / "architecture.json").is_file()]
        networks = [read_architecture(path) for path in files if path.stat().st_size]
        measured = [_measure(arch, device, threads, repeats) for arch in networks if _complete(arch)]
        if not measured:
            continue
        peaks: dict[str, list[float]] = {"search": [], "training": []}
        for stage, cost in run_costs(run):
            peaks[stage] += [value] if (value := number(cost, "peak_rss_mib")) else []
        rows.append(
            {
                "task": run.task,
                "protocol": run.protocol,
                "method": run.method,
                "search_scope": run.scope,
                "networks": len(measured),
                **{name: float(np.mean([m[name] for m in measured])) for name in measured[0] if name != "input"},
                "search_peak_mib": max(peaks["search"], default=None),
                "train_peak_mib": max(peaks["training"], default=None),
                "input": measured[0]["input"],
                "note": NOT_COUNTED if getattr(networks[0], "name", "") == "linear_svm" else "",
                "rendered": run.rendered,
            }
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["device"], frame["threads"], frame["torch"] = device_name(device), threads, torch.__version__
    # MACs relative to Auto-FERNet: to the published network, and to the one that was searched on the same task.
    frame["macs_to_published_autofernet"] = frame["macs"].astype(float) / PUBLISHED_AUTOFERNET_MACS
    base = frame[frame["method"] == "autofernet"].groupby("task")["macs"].mean()
    frame["macs_to_autofernet"] = frame["macs"].astype(float) / frame["task"].map(base).astype(float)
    return frame


def _complete(arch: Architecture) -> bool:
    block = arch.network
    return block is not None and block.classes is not None and block.input is not None


def _measure(arch: Architecture, device: str, threads: int, repeats: int) -> dict[str, Any]:
    """Counts and latencies of one network; the auxiliary head is left out."""
    from fernas.learn.runtime import pick_device
    from fernas.spaces.complexity import complexity, latency
    from fernas.spaces.networks import build_network

    counted = complexity(arch)
    shape = tuple(counted["input"])
    net = build_network(arch, aux=False).to(pick_device(device))
    times = {batch: latency(net, shape, batch, repeats, threads)["latency_ms"] for batch in BATCHES}  # type: ignore[arg-type]
    return {
        **{name: counted[name] for name in ("params", "macs", "weight_bytes", "saved_bytes")},
        "latency_1_ms": times[1],
        "latency_32_ms": times[32],
        "frames_per_s": 1e3 / times[1],
        "frames_per_s_32": 32e3 / times[32],
        "input": "x".join(map(str, shape)),
    }


def device_name(device: str) -> str:
    """The processor or the GPU that the passes ran on."""
    import torch

    from fernas.learn.runtime import pick_device

    if pick_device(device).type == "cuda":
        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8", errors="replace").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (names[0] if names else platform.processor() or platform.machine()) or "unknown processor"


def write_complexity(results: Path, study: Study, device: str, threads: int) -> pd.DataFrame:
    """Measure, and write the table into `results/tables`."""
    frame = complexity_frame(results, study, device, threads)
    complexity_table(frame, device).write(ResultsLayout(results).tables)
    return frame


def read_complexity(results: Path) -> pd.DataFrame:
    """The frame that the target `complexity` wrote; no rows where it has not run."""
    path = ResultsLayout(results).tables / "complexity.csv"
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).reindex(columns=list(COLUMNS))


def _measured(size: Any, device: Any, threads: Any, note: Any) -> str:
    where = f"{size} on {device}, {threads} thread{'s' * (threads != 1)}"
    return "; ".join(filter(None, [where, plain(note, "")]))


TABLE = (
    TASK,
    Column("method", text=run_text, more=("search_scope",), style="name"),
    Column("task", text=folder_text, more=("rendered",), forms="html", style="name"),
    Column("networks", forms=FILES),
    Column("params", text=short_count, about="without auxiliary head"),
    Column("macs", "MACs", short_count, about="of one forward pass of one image"),
    Column("weight_bytes", "weights, MB", fixed(2, 1e6)),
    Column("saved_bytes", "file, MB", fixed(2, 1e6), about="the saved model"),
    Column("search_peak_mib", "search, MiB", fixed(0), about="peak memory of the largest search job"),
    Column("train_peak_mib", "training, MiB", fixed(0), about="peak memory of the largest training job"),
    Column("latency_1_ms", "ms at 1", fixed(2), about="latency of a batch of one image, the median of 20 passes"),
    Column("latency_32_ms", "ms at 32", fixed(1), about="latency of a batch of 32 images"),
    Column("frames_per_s", "frames/s at 1", fixed(0)),
    Column("frames_per_s_32", "frames/s at 32", fixed(0)),
    Column(
        "macs_to_autofernet", "to Auto-FERNet", fixed(2),
        about="MACs relative to the network that autofernet searched on the same task",
    ),
    Column("input", "measured", _measured, ("device", "threads", "note"), forms="html", style="reason"),
    Column("note", forms=FILES),
)  # fmt: skip


def complexity_table(frame: pd.DataFrame, device: str = "cpu") -> Table:
    """The table of a frame that `complexity_frame` measured."""
    where = f"{frame['device'].iloc[0]}, {frame['threads'].iloc[0]} thread" if len(frame) else device
    caption = (
        f"Complexity. Means over the searched networks of each method; latency is the median of 20 passes on {where}, "
        "alone on the machine; peak memory is that of the largest job; without auxiliary heads. Auto-FERNet: the "
        "network searched on the same task"
    )
    return Table("complexity", caption, TABLE, frame)
