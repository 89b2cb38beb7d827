"""The complexity table: what each method's found networks cost, counted and measured on this machine."""

import platform
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import grid
from fernas.core.architecture import Architecture, read_architecture
from fernas.core.config import StudyConfig
from fernas.core.progress import progress
from fernas.reporting.formats import display_dash, missing, records_of, rendered_folder, short_count, write_forms
from fernas.reporting.tree import RENDERED_SUFFIX, costs, method_runs, number

COLUMNS = (
    "task", "protocol", "method", "search_scope", "networks", "params", "macs", "weight_bytes", "saved_bytes",
    "search_peak_mib", "train_peak_mib", "latency_1_ms", "latency_32_ms", "frames_per_s", "frames_per_s_32",
    "macs_to_autofernet", "macs_to_published_autofernet", "input", "device", "threads", "torch", "note", "rendered",
)  # fmt: skip
SHOWN = (
    "task", "method", "networks", "params", "MACs", "weights MB", "file MB", "search MiB", "training MiB",
    "ms at 1", "ms at 32", "frames/s at 1", "frames/s at 32", "MACs to Auto-FERNet", "note",
)  # fmt: skip
BATCHES = (1, 32)
# The published network: 12 cells, 36 channels, 7 classes, one image of 1x48x48 (a test counts it).
PUBLISHED_AUTOFERNET_MACS = 836_774_208
NOT_COUNTED = "its features (LBP-TOP) are not counted"


def complexity_table(
    results: Path, config: StudyConfig | None = None, device: str = "cpu", threads: int = 1, repeats: int = 20
) -> pd.DataFrame:
    """One row per method run with found networks, means over its searches; latency on the device, alone on the machine.

    Args:
        results: the results folder.
        config: the study; with it, only its runs are shown, in the order of its methods (the search of a final model is
            none of them).
        device: cpu, cuda or auto.
        threads: torch threads of the measured passes.
        repeats: timed passes per network and batch size; the median counts.
    """
    runs = list(method_runs(results))
    if config is not None:
        order, base = list(config.methods), Path(config.results) / "runs"
        known = {run.folder.relative_to(base).parts for run in grid.runs(config, named=True)}
        runs = [run for run in runs if run.folder.relative_to(results / "runs").parts in known]
        runs.sort(key=lambda run: (run.task_dir, run.protocol, order.index(run.method), run.scope))
    rows = []
    for run in progress(runs, total=len(runs), desc="measure networks"):
        found = [path for search in run.searches if (path := search.folder / "architecture.json").is_file()]
        networks = [read_architecture(path) for path in found if path.stat().st_size]
        measured = [_measure(arch, device, threads, repeats) for arch in networks if _complete(arch)]
        if not measured:
            continue
        peaks = {
            stage: [value for where, cost in costs(run) if where == stage and (value := number(cost, "peak_rss_mib"))]
            for stage in ("search", "training")
        }
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
                "rendered": run.task_dir.endswith(RENDERED_SUFFIX),
            }
        )
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    frame["device"], frame["threads"], frame["torch"] = device_name(device), threads, _torch_version()
    return _relative(frame)


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
        "input": "x".join(str(side) for side in shape),
    }


def _relative(frame: pd.DataFrame) -> pd.DataFrame:
    """MACs relative to Auto-FERNet: to the network found on the same task, and to the published one."""
    frame = frame.copy()
    frame["macs_to_published_autofernet"] = frame["macs"].astype(float) / PUBLISHED_AUTOFERNET_MACS
    found = frame[frame["method"] == "autofernet"].groupby("task")["macs"].mean()
    frame["macs_to_autofernet"] = frame["macs"].astype(float) / frame["task"].map(found).astype(float)
    return frame


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


def _torch_version() -> str:
    import torch

    return torch.__version__


def write_complexity(results: Path, stem: Path, config: StudyConfig | None, device: str, threads: int) -> pd.DataFrame:
    """The table as csv, markdown and LaTeX at `stem`."""
    frame = complexity_table(results, config, device, threads)
    where = f"{frame['device'].iloc[0]}, {threads} thread" if len(frame) else device
    caption = (
        f"Complexity. Means over the networks that each method found; latency is the median of 20 passes on {where}, "
        "alone on the machine; peak memory is that of the largest job; without auxiliary heads. Auto-FERNet: the "
        "network found on the same task"
    )
    write_forms(stem, frame, SHOWN, [shown(record) for record in records_of(frame)], caption)
    return frame


def read_complexity(results: Path) -> pd.DataFrame:
    """The table that the target `complexity` wrote; no rows where it has not run."""
    path = results / "tables" / "complexity.csv"
    if not path.is_file() or not path.stat().st_size:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).reindex(columns=list(COLUMNS))


def shown(record: dict[str, Any]) -> tuple[str, ...]:
    """A row as short texts, in the order of `SHOWN`."""

    def fixed(name: str, digits: int, unit: float = 1.0) -> str:
        return "-" if missing(record[name]) else f"{float(record[name]) / unit:.{digits}f}"

    return (
        rendered_folder(str(record["task"]), bool(record["rendered"])),
        f"{record['method']} ({record['search_scope']})",
        str(record["networks"]),
        short_count(record["params"]),
        short_count(record["macs"]),
        fixed("weight_bytes", 2, 1e6),
        fixed("saved_bytes", 2, 1e6),
        fixed("search_peak_mib", 0),
        fixed("train_peak_mib", 0),
        fixed("latency_1_ms", 2),
        fixed("latency_32_ms", 1),
        fixed("frames_per_s", 0),
        fixed("frames_per_s_32", 0),
        fixed("macs_to_autofernet", 2),
        display_dash(record["note"] or None),
    )
