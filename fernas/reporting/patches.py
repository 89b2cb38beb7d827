"""What the report shows of face patches: coverage over runs, the front, regions against chance, occlusion, costs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.images import decode_image, resize, to_grey
from fernas.learn.history import rows_of_chosen_rates
from fernas.reporting import figures
from fernas.reporting.coverage import coverage_map, region_overlaps
from fernas.reporting.drawings import Drawing
from fernas.reporting.formats import digits, missing, percent, short_count
from fernas.reporting.stored import RunFiles, number, optional_json, optional_jsonl
from fernas.reporting.table import Column
from fernas.spaces.patches import Genome, patch_params, whole_face


@dataclass(frozen=True)
class PatchSearch:
    """A search that chose patches: its genome, the side of the face, and its history."""

    genome: Genome
    face_px: int
    history: list[dict[str, Any]]

    @property
    def final(self) -> dict[str, Any]:
        """The last row of the history, once the search has ended."""
        return self.history[-1] if self.history and self.history[-1].get("final") else {}


@dataclass(frozen=True)
class PatchFindings:
    """What the report shows of the patches of one method."""

    drawings: list[Drawing]
    sentences: list[str]


def patch_searches(run: RunFiles) -> list[PatchSearch]:
    """The searches of a run that chose patches."""
    searches = []
    for search in run.searches:
        document = optional_json(search.folder / "architecture.json")
        if document.get("kind") == "patches":
            genome = tuple((int(p["dx"]), int(p["dy"]), int(p["w"]), int(p["h"])) for p in document["patches"])
            history = optional_jsonl(search.folder / "search.jsonl")
            searches.append(PatchSearch(genome, int(document["face_px"]), history))
    return searches


def mean_face(face_px: int) -> np.ndarray:
    """The mean of rendered aligned faces, uint8 grey (face_px, face_px)."""
    data = resources.files("fernas.spaces").joinpath("data", "mean_face.png").read_bytes()
    return to_grey(resize(decode_image(data), face_px, face_px))


def patch_findings(name: str, run: RunFiles) -> PatchFindings | None:
    """What a method's patches look like over its fold groups and seeds; None where it has none."""
    searches = patch_searches(run)
    if not searches or len({search.face_px for search in searches}) != 1:
        return None
    finals = [search.final for search in searches if search.final]
    overlaps = region_overlaps([search.genome for search in searches], searches[0].face_px)
    words = ", ".join(f"{o.region} {100 * o.share:.0f} % (chance {100 * o.chance:.0f} %)" for o in overlaps)
    beyond = [o.region for o in overlaps if o.beyond_chance]
    share = f"Share of the patches' area that lies in {words}. " + (
        f"Above 95 % of random placements: {', '.join(beyond)}." if beyond else "None is above random placements."
    )
    drawings = [_coverage(name, searches, finals, words)]
    front = _front(name, searches, finals)
    drawings += [front] if front is not None else []
    return PatchFindings(drawings, [share, *_sentences(finals)])


def _coverage(name: str, searches: Sequence[PatchSearch], finals: Sequence[dict[str, Any]], words: str) -> Drawing:
    """The map of the pixels that the searches chose, weighted by fitness where all of them state one."""
    genomes, face_px = [search.genome for search in searches], searches[0].face_px
    weights = [float(row["fitness"]) for row in finals] if len(finals) == len(searches) else None
    count = f"{len(searches)} search{'es' if len(searches) != 1 else ''}"
    return Drawing(
        "coverage",
        figures.coverage_svg(coverage_map(genomes, face_px, weights), mean_face(face_px)),
        f"Coverage map of {name} on the mean face over {count}: share of the patches in {words}",
        f"coverage of {name}, {count}, on the mean of rendered faces",
    )


def _front(name: str, searches: Sequence[PatchSearch], finals: Sequence[dict[str, Any]]) -> Drawing | None:
    """All genomes as UAR against parameters, with the front and the choice of each search."""
    points = [(b["params"], b["uar"]) for s in searches for row in s.history for b in row.get("born", [])]
    fronts = [[(p["params"], p["uar"]) for p in row["front"]] for row in finals if row.get("front")]
    if not points or not fronts:
        return None
    chosen = [(float(row["params"]), float(row["uar"])) for row in finals]
    words = ", ".join(f"{params:.0f} parameters, UAR {100 * uar:.0f} %" for params, uar in chosen)
    return Drawing(
        "front",
        figures.front_svg(points, fronts, chosen),
        f"UAR on the selection part against parameters of all genomes of {name}; chosen: {words}",
        f"genomes of {name}: selection UAR against parameters, front and choice",
    )


def _sentences(finals: Sequence[dict[str, Any]]) -> list[str]:
    """Counts of evaluations and the occlusion check."""
    if not finals:
        return []
    asked, hits = sum(row["asked"] for row in finals), sum(row["cache_hits"] for row in finals)
    reduction = [float(row["reduction"]) for row in finals]
    searches = f"{len(finals)} search" + ("es" if len(finals) > 1 else "")
    lines = [
        f"{asked} genomes were asked for in {searches}, {hits} of them known already; "
        f"{100 * np.mean(reduction):.1f} % fewer parameters than the whole-face network on average."
    ]
    checks = [row["occlusion"] for row in finals if row.get("occlusion")]
    if checks:
        lost = np.mean([value for check in checks for value in check["patches"]])
        here, there, rare = (
            np.mean([check["whole_face"][key] for check in checks])
            for key in ("lost", "lost_elsewhere", "as_much_elsewhere")
        )
        lines.append(
            f"Occlusion on the selection part: a blank patch costs the patch network {100 * lost:.1f} percentage "
            f"points of accuracy on average; the same regions blank cost the whole-face network {100 * here:.1f}, "
            f"equal boxes at random positions {100 * there:.1f} (as much or more in {100 * rare:.0f} % of placements)."
        )
    return lines


def _spread(text: Callable[[Any], str]) -> Callable[[Any, Any], str]:
    """A mean with its standard deviation, where there are several searches or repetitions."""
    return lambda mean, sd: text(mean) + ("" if missing(sd) else f" ± {text(sd)}")


COSTS = (
    Column("method", style="name"),
    Column("params", text=_spread(short_count), more=("params_sd",)),
    Column(
        "reduction", "fewer, %", _spread(percent), ("reduction_sd",),
        about="parameters saved against the whole-face network",
    ),
    Column("accuracy", "acc., %", _spread(percent), ("accuracy_sd",)),
    Column("uar", "UAR, %", _spread(percent), ("uar_sd",)),
    Column("train_core_s", "training core-s", digits(3), about="all folds of one repetition"),
    Column("epochs", text=digits(3), about="up to the chosen weights, mean over folds"),
    Column("epoch_s", "s per epoch", digits(3)),
)  # fmt: skip


def cost_frame(runs: dict[str, RunFiles]) -> pd.DataFrame:
    """Costs of networks of patches beside the whole-face network: one row per method, empty where there is none.

    Columns: method, params, reduction (against the whole face), accuracy, uar (means over searches and repetitions),
    params_sd, reduction_sd, accuracy_sd, uar_sd (standard deviations over them; NaN for one), train_core_s (per
    repetition, all folds), epochs (of the chosen weights, mean over folds), epoch_s (seconds per epoch and fold).
    """
    rows = []
    for name, run in runs.items():
        documents = [optional_json(s.folder / "architecture.json") for s in run.searches]
        patches = [d for d in documents if d.get("kind") == "patches"]
        whole = [d for d in documents if d.get("kind") == "named" and d.get("name") == "whole_face"]
        if not (patches or whole):
            continue
        counts = [_params(document) for document in [*patches, *whole]]
        scores = [s for s in run.scores if number(s, "uar") is not None]
        seconds = [number(optional_json(folder / "cost.json"), "core_s") for folder in run.shards]
        epochs, each = _epochs(run.shards)
        row: dict[str, Any] = {"method": name}
        for key, values in (
            ("params", [float(count) for count, _ in counts]),
            ("reduction", [1 - count / full for count, full in counts]),
            ("accuracy", [number(s, "accuracy") for s in scores]),
            ("uar", [number(s, "uar") for s in scores]),
        ):
            row[key], row[f"{key}_sd"] = _mean_and_sd(values)
        row["train_core_s"] = sum(s for s in seconds if s is not None) / max(1, len(run.trainings))
        rows.append(row | {"epochs": epochs, "epoch_s": each})
    return pd.DataFrame(rows, columns=[key for column in COSTS for key in (column.key, *column.more)])


def _params(document: dict[str, Any]) -> tuple[int, int]:
    """(parameters, those of the whole-face network) of an architecture file of patches or the whole face."""
    from fernas.core.architecture import parse_architecture
    from fernas.spaces.complexity import params

    channels, height, _ = document["network"]["input"]
    full = patch_params(whole_face(height), channels, document["network"]["classes"])
    return (full if document["kind"] == "named" else params(parse_architecture(document))), full


def _mean_and_sd(values: Sequence[float | None]) -> tuple[float, float]:
    known = [value for value in values if value is not None]
    mean = float(np.mean(known)) if known else float("nan")
    return mean, float(np.std(known, ddof=1)) if len(known) > 1 else float("nan")


def _epochs(shards: list[Path]) -> tuple[float, float]:
    """(mean number of epochs up to the chosen one, mean seconds of an epoch) over folds."""
    chosen, seconds = [], []
    for folder in shards:
        rows = pd.DataFrame(rows_of_chosen_rates(optional_jsonl(folder / "training.jsonl")))
        if rows.empty or not {"fold", "epoch", "inner_uar", "inner_loss"} <= set(rows.columns):
            continue
        seconds += rows["seconds"].tolist() if "seconds" in rows else []
        for _, fold in rows.groupby("fold"):
            best = fold.sort_values(["inner_uar", "inner_loss"], ascending=[False, True], kind="stable").iloc[0]
            chosen.append(int(best["epoch"]) + 1)
    return (
        float(np.mean(chosen)) if chosen else float("nan"),
        float(np.mean(seconds)) if seconds else float("nan"),
    )
