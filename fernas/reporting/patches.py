"""What the report shows of face patches: coverage over runs, the front, regions against chance, occlusion, costs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.images import decode_image, resize, to_grey
from fernas.core.io import write_text
from fernas.learn.history import rows_of_chosen_rates
from fernas.reporting import figures
from fernas.reporting.coverage import coverage_map, region_overlaps
from fernas.reporting.tree import MethodRun, number, optional_json, optional_jsonl
from fernas.spaces.patches import Genome, patch_params, whole_face


@dataclass
class PatchFindings:
    """Of one method: its images as (SVG text, words), and sentences."""

    method: str
    images: list[tuple[str, str, str]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)


def found_patches(run: MethodRun) -> list[tuple[Genome, int, dict[str, Any], list[dict[str, Any]]]]:
    """(genome, face_px, network block, history) of each search of a run that found patches."""
    found = []
    for search in run.searches:
        document = optional_json(search.folder / "architecture.json")
        if document.get("kind") != "patches":
            continue
        genome = tuple((int(p["dx"]), int(p["dy"]), int(p["w"]), int(p["h"])) for p in document["patches"])
        history = optional_jsonl(search.folder / "search.jsonl")
        found.append((genome, int(document["face_px"]), document.get("network") or {}, history))
    return found


def mean_face(face_px: int) -> np.ndarray:
    """The mean of rendered aligned faces, uint8 grey (face_px, face_px)."""
    data = resources.files("fernas.spaces").joinpath("data", "mean_face.png").read_bytes()
    return to_grey(resize(decode_image(data), face_px, face_px))


def patch_findings(name: str, run: MethodRun) -> PatchFindings | None:
    """What a method's patches look like over its groups and seeds; None where it has none."""
    found = found_patches(run)
    if not found or len({face_px for _, face_px, _, _ in found}) != 1:
        return None
    face_px = found[0][1]
    genomes = [genome for genome, _, _, _ in found]
    finals = [rows[-1] for _, _, _, rows in found if rows and rows[-1].get("final")]
    weights = [float(row["fitness"]) for row in finals] if len(finals) == len(found) else None
    findings = PatchFindings(name)
    coverage = coverage_map(genomes, face_px, weights)
    overlaps = region_overlaps(genomes, face_px)
    told = f"{len(genomes)} search{'es' if len(genomes) != 1 else ''}"
    words = ", ".join(f"{o.region} {100 * o.share:.0f} % (chance {100 * o.chance:.0f} %)" for o in overlaps)
    findings.images.append(
        (
            figures.coverage_svg(coverage, mean_face(face_px)),
            f"Coverage map of {name} on the mean face over {told}: share of the patches in {words}",
            f"coverage of {name}, {told}, on the mean of rendered faces",
        )
    )
    beyond = [o.region for o in overlaps if o.beyond_chance]
    findings.sentences.append(
        f"Share of the patches' area that lies in {words}. "
        + (f"Beyond chance: {', '.join(beyond)}." if beyond else "Nothing of it is beyond chance.")
    )
    points = [(b["params"], b["uar"]) for _, _, _, rows in found for row in rows for b in row.get("born", [])]
    fronts = [[(p["params"], p["uar"]) for p in row["front"]] for row in finals if row.get("front")]
    if points and fronts:
        chosen = [(float(row["params"]), float(row["uar"])) for row in finals]
        findings.images.append(
            (
                figures.front_svg(points, fronts, chosen),
                f"UAR on the selection part against parameters of all genomes of {name}; "
                f"chosen: {', '.join(f'{p:.0f} parameters, UAR {100 * u:.0f} %' for p, u in chosen)}",
                f"genomes of {name}: selection UAR against parameters, front and choice",
            )
        )
    findings.sentences += _sentences(name, finals)
    return findings


def _sentences(name: str, finals: list[dict[str, Any]]) -> list[str]:
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
            f"Occlusion on the selection part: a blank patch costs the patch network {100 * lost:.1f} points of "
            f"accuracy on average; the same regions blank cost the whole-face network {100 * here:.1f} points, equal "
            f"boxes at random places {100 * there:.1f} (as much or more in {100 * rare:.0f} % of placements)."
        )
    return lines


def cost_table(runs: dict[str, MethodRun]) -> pd.DataFrame:
    """Costs of networks of patches beside the whole-face network: one row per method, empty where there is none.

    Columns: method, params, reduction (against the whole face), accuracy, uar (means over searches and repetitions),
    params_sd, reduction_sd, accuracy_sd, uar_sd (standard deviations over them; NaN for one), train_core_s (per
    repetition, all folds), epochs (of the chosen weights, mean over folds), epoch_s (seconds per epoch and fold).
    """
    rows = []
    for name, run in runs.items():
        found = [optional_json(s.folder / "architecture.json") for s in run.searches]
        patches = [d for d in found if d.get("kind") == "patches"]
        whole = [d for d in found if d.get("kind") == "named" and d.get("name") == "whole_face"]
        if not (patches or whole):
            continue
        counts = [_params(document) for document in [*patches, *whole]]
        scores = [optional_json(training.folder / "scores.json") for training in run.trainings]
        scores = [s for s in scores if number(s, "uar") is not None]
        shards = [shard.folder for training in run.trainings for shard in training.shards]
        seconds = [number(optional_json(folder / "cost.json"), "core_s") for folder in shards]
        epochs, each = _epochs(shards)
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
    names = ["method", "params", "params_sd", "reduction", "reduction_sd", "accuracy", "accuracy_sd", "uar", "uar_sd"]
    names += ["train_core_s", "epochs", "epoch_s"]
    return pd.DataFrame(rows, columns=names)


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


def write_images(folder: Path, prefix: str, findings: PatchFindings) -> None:
    """The images as SVG files, for the tracker and for papers."""
    for (svg, _, _), kind in zip(findings.images, ("coverage", "front"), strict=False):
        write_text(folder / f"{prefix}-{findings.method}-{kind}.svg", svg)
