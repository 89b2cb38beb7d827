"""What a task's page draws from the files of its runs: curves, cells, confusion matrices, faces, each with words."""

import base64
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import plugins
from fernas.core.errors import DataError, FernasError
from fernas.core.io import read_npy, read_parquet
from fernas.learn.fes import admitted, read_fes
from fernas.learn.history import rows_of_chosen_rates
from fernas.metrics import confusion
from fernas.reporting import figures
from fernas.reporting.formats import listed, percent, records_of, short_count
from fernas.reporting.predictions import PooledPredictions
from fernas.reporting.relabelled import swap_log, swap_panels
from fernas.reporting.stored import RunFiles, number, optional_json, optional_jsonl, run_costs
from fernas.scoring.health import entropy_shares
from fernas.study import Study
from fernas.study.layout import DatasetFolder, InputsFolder

logger = logging.getLogger(__name__)
Curve = tuple[list[float], list[float]]  # steps, values
MAX_CELLS = 6
FACES_PER_CLASS = 3
ENTROPY = "entropy of alpha, % of uniform"
CURVES = {  # panel -> names of the columns of search.jsonl, each with its legend
    "loss": {"weight_loss": "weights", "alpha_loss": "alphas", "train_loss": "training"},
    ENTROPY: {"entropy_normal": "normal", "entropy_reduce": "reduction"},
    "skips in the cell": {"skips_normal": "normal", "skips_reduce": "reduction"},
    "dominant eigenvalue of the alphas": {"eig_max": "selection loss"},
    "UAR inside the train split": {
        "inner_uar": "inner validation", "selection_uar": "selection", "best_selection_uar": "best so far",
        "best_fitness": "best fitness", "mean_fitness": "mean fitness",
    },
}  # fmt: skip


@dataclass(frozen=True)
class Image:
    """An image as a data address, with the words for those who do not see it."""

    source: str
    alt: str
    caption: str = ""
    note: str = ""
    wide: bool = False


@dataclass(frozen=True)
class Face:
    """An aligned face beside what the networks see of it; both are data addresses."""

    preview: str
    view: str
    label: str
    sample_id: str


def svg_address(svg: str) -> str:
    """An SVG text as a data address."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def png_address(data: bytes) -> str:
    """PNG bytes as a data address."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def similarity_images(study: Study, methods: Iterable[str], classes: list[str]) -> list[Image]:
    """The similarity of expressions (FES) by which methods relabelled, each matrix once."""
    matrices: dict[str, tuple[np.ndarray, float]] = {}
    users: dict[str, list[str]] = defaultdict(list)
    for name in methods:
        method = study.methods[name]
        if method.recipe != "relabel" or not classes:
            continue
        options = plugins.load("training", "relabel").Config.model_validate(method.recipe_options)
        if options.strategy != 2:
            continue
        try:
            matrices.setdefault(options.fes, (read_fes(options.fes, classes), options.fes_threshold))
        except FernasError as error:
            logger.warning("no image of FES: %s", error)
            continue
        users[options.fes].append(name)
    images = []
    for source, (matrix, threshold) in matrices.items():
        words = ", ".join(f"{a} and {b}" for a, b in admitted(matrix, classes, threshold)) or "none"
        caption = f"similarity of expressions (FES) in the relabelling of {', '.join(dict.fromkeys(users[source]))}"
        svg = figures.similarity_svg(matrix, classes)
        images.append(Image(svg_address(svg), f"{caption}. Pairs above {threshold:g}: {words}", caption))
    return images


def subjects_image(predictions: Mapping[str, PooledPredictions], kinds: Mapping[str, str]) -> Image | None:
    """The accuracy of each subject under each method; nothing for datasets without subjects.

    Args:
        predictions: method -> its predictions.
        kinds: method -> its kind, see `drawings.kind_of`.
    """
    scores: dict[str, list[float]] = {}
    for name, pooled in predictions.items():
        subjects = pooled.frame.get("subject")
        if subjects is None or subjects.isna().all():
            continue
        hits = pd.Series(pooled.truth == pooled.guess)
        scores[name] = [float(value) for value in hits.groupby(subjects.to_numpy()).mean()]
    if not scores:
        return None
    words = "; ".join(
        f"{name}: median {percent(np.median(v))}, lowest {percent(min(v))}, highest {percent(max(v))}"
        for name, v in scores.items()
    )
    count = len(next(iter(scores.values())))
    svg = figures.subjects_svg(scores, kinds)
    return Image(svg_address(svg), f"Accuracy per subject in percent, {count} subjects. {words}")


def confusion_image(name: str, pooled: PooledPredictions) -> Image:
    """The confusion matrix of a method."""
    counts = np.asarray(confusion(pooled.truth, pooled.guess, len(pooled.classes)))
    with np.errstate(invalid="ignore"):  # a class without samples has no recall
        recall = np.diag(counts) / counts.sum(1)
    words = ", ".join(f"{c} {percent(r)}" for c, r in zip(pooled.classes, recall, strict=True))
    svg = figures.confusion_svg(counts, pooled.classes)
    return Image(svg_address(svg), f"Confusion matrix of {name}. Recall per class in percent: {words}", name)


def costs_image(runs: Mapping[str, RunFiles]) -> Image | None:
    """Core-seconds of all jobs of each method."""
    costs: dict[str, dict[str, float]] = {}
    for name, run in runs.items():
        sums = {"search": 0.0, "training": 0.0}
        for stage, cost in run_costs(run):
            sums[stage] += number(cost, "core_s") or 0.0
        if any(sums.values()):
            costs[name] = sums
    if not costs:
        return None
    words = "; ".join(
        f"{n}: search {short_count(c['search'])}, training {short_count(c['training'])}" for n, c in costs.items()
    )
    return Image(svg_address(figures.costs_svg(costs)), f"Core-seconds of all jobs: {words}")


def cell_images(name: str, run: RunFiles) -> list[Image]:
    """The drawings of the distinct architectures that the searches of a method chose."""
    images: dict[str, Image] = {}
    for search in run.searches:
        document = optional_json(search.folder / "architecture.json")
        file = search.folder / "cell.svg"
        if document.get("kind") in (None, "named") or not file.is_file() or not file.stat().st_size:
            continue
        svg = file.read_text(encoding="utf-8")
        if svg in images:
            continue
        where = f"search seed {search.search_seed}, fold group {search.fold_group}"
        alt = f"Architecture of {name}, {where}: {_operations(document)}"
        images[svg] = Image(svg_address(svg), alt, where, wide=document["kind"] == "cells")
        if len(images) == MAX_CELLS:
            break
    return list(images.values())


def _operations(document: dict[str, Any]) -> str:
    if document.get("kind") == "patches":
        return f"{len(document.get('patches', []))} patches"
    return "; ".join(
        f"{kind} cell {', '.join(str(pair[0]) for pair in document.get(kind, []))}" for kind in ("normal", "reduce")
    )


def search_curves(name: str, run: RunFiles) -> Image | None:
    """Curves of a method's searches, the mean over fold groups and seeds; nothing for searches without steps."""
    histories = [optional_jsonl(search.folder / "search.jsonl") for search in run.searches]
    histories = [[row | _entropy_percents(row) for row in rows] for rows in histories if len(rows) > 1]
    if not histories:
        return None
    panels = {
        title: {
            legend: mean_curve([(i, row.get(column)) for i, row in enumerate(rows)] for rows in histories)
            for column, legend in columns.items()
        }
        for title, columns in CURVES.items()
    }
    first = histories[0][0]
    step = next((unit for unit in ("candidate", "generation") if unit in first), "epoch")
    caption = f"search of {name}" + (f", mean of {len(histories)} searches" if len(histories) > 1 else "")
    return _curves(panels, f"Curves of the search of {name}.", caption, step, ", ")


def _entropy_percents(row: Mapping[str, Any]) -> dict[str, float]:
    return {f"entropy_{cell}": 100 * share for cell, share in entropy_shares(row).items()}


def training_curves(runs: Mapping[str, RunFiles]) -> Image | None:
    """Training loss and inner-validation UAR per method, the mean over folds and seeds."""
    histories = {
        name: [rows_of_chosen_rates(optional_jsonl(folder / "training.jsonl")) for folder in run.shards]
        for name, run in runs.items()
    }
    panels = {
        title: {
            name: mean_curve(numbered_by_fold(rows, column) for rows in shards) for name, shards in histories.items()
        }
        for title, column in (("training loss", "loss"), ("inner-validation UAR", "inner_uar"))
    }
    caption = f"training of {listed(list(runs))}, mean over folds and seeds"
    return _curves(panels, "Curves of training.", caption, "epoch", " of ")


def _curves(panels: Mapping[str, Mapping[str, Curve]], alt: str, caption: str, step: str, joint: str) -> Image | None:
    """The panels that have a curve as one image; the words give its first and last value of each curve."""
    full = {title: {name: curve for name, curve in series.items() if curve[0]} for title, series in panels.items()}
    words = [
        f"{title}{joint}{name}: from {values[0]:.3g} to {values[-1]:.3g}"
        for title, series in full.items()
        for name, (_, values) in series.items()
    ]
    # the whole range of the entropy: a flat line at 99 % must not look like a descent
    ranges = {ENTROPY: (0.0, 105.0)}
    drawn = [figures.Panel(title, series, limits=ranges.get(title)) for title, series in full.items() if series]
    return Image(svg_address(figures.curves_svg(drawn, step)), f"{alt} {'; '.join(words)}", caption) if drawn else None


def numbered_by_fold(rows: Iterable[dict[str, Any]], column: str) -> list[tuple[int, Any]]:
    """(number of earlier rows of the same fold, value of a column); epochs go on where a recipe has several phases."""
    counts: dict[Any, int] = defaultdict(int)
    values = []
    for row in rows:
        values.append((counts[row.get("fold")], row.get(column)))
        counts[row.get("fold")] += 1
    return values


def mean_curve(histories: Iterable[Iterable[tuple[int, Any]]]) -> Curve:
    """The mean of several curves, as far as all of them go: curves of unequal length would bend where one ends."""
    values: dict[int, list[float]] = defaultdict(list)
    for rows in histories:
        for step, value in rows:
            if isinstance(value, int | float) and np.isfinite(value):
                values[step].append(float(value))
    most = max(map(len, values.values()), default=0)
    steps = sorted(step for step in values if len(values[step]) == most)
    return [float(step) for step in steps], [float(np.mean(values[step])) for step in steps]


def swap_image(name: str, run: RunFiles) -> Image | None:
    """What relabelling swapped in a method's trainings and what became of it; nothing for other recipes."""
    log = swap_log(run)
    if log is None:
        return None
    panels, words = swap_panels(log)
    svg = figures.curves_svg(panels, "epoch of relabelling")
    note = f"{words[0].upper()}{words[1:]}."
    return Image(svg_address(svg), f"Relabelling of {name}: {words}.", f"relabelling of {name}", note)


def face_samples(view: InputsFolder, dataset: DatasetFolder) -> list[Face]:
    """A few faces of each class with what the networks see of them; nothing for views that are no images.

    Args:
        view: what the networks see of the task.
        dataset: the dataset's folder, with its previews.
    """
    if not all(file.is_file() and file.stat().st_size for file in (view.inputs, dataset.previews)):
        return []
    try:
        inputs, table = read_npy(view.inputs, mmap=True), read_parquet(view.table)
        previews = read_npy(dataset.previews, mmap=True)
        faces = read_parquet(dataset.faces)
    except DataError:
        return []
    if inputs.dtype != np.uint8:
        return []  # features: nothing to look at
    position = {sample: index for index, sample in enumerate(faces["sample_id"])}
    usable = table[table["source_id"].isin(position) & (table["face_status"] != "no_face")]
    samples: list[Face] = []
    for label, rows in usable.groupby("label", sort=False):
        several = rows["dataset"].nunique() > 1
        for row in records_of(rows.drop_duplicates("dataset" if several else "subject").head(FACES_PER_CLASS)):
            preview, view_image = (
                png_address(figures.image_png(np.asarray(image)))
                for image in (previews[position[row["source_id"]]], inputs[int(row["row"])])
            )
            samples.append(Face(preview, view_image, str(label), str(row["sample_id"])))
    return samples
