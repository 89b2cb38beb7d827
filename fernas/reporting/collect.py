"""Gathers what the report shows of each task from the results folder; no HTML here."""

import base64
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core import grid, plugins
from fernas.core.config import StudyConfig
from fernas.core.errors import DataError, FernasError
from fernas.core.io import is_number, read_npy, read_parquet
from fernas.learn.history import rows_of_chosen_rates
from fernas.metrics import confusion, uar
from fernas.reporting import figures, patches
from fernas.reporting.demographics import group_gaps
from fernas.reporting.formats import missing, percent, records_of, score_text, short_count, task_groups
from fernas.reporting.relabelled import swap_log, swap_panels
from fernas.reporting.statistics import (
    CLEAN_SCOPES,
    SIGNIFICANT,
    Statistics,
    entropy_text,
    gap_text,
    p_text,
    pair_cells,
    ranks_text,
    run_name,
    skips_pair,
    winner,
)
from fernas.reporting.tables import captions, notes
from fernas.reporting.tree import RENDERED_SUFFIX, MethodRun, number, optional_json, optional_jsonl
from fernas.training.fes import admitted, read_fes

logger = logging.getLogger(__name__)
ORDER = {"ok": 0, "failed": 1, "skipped": 2}
MAX_CELLS = 6
CURVES_OF_ONE_IMAGE = 6
FACES_PER_CLASS = 3
CURVES = {  # panel -> names of the columns of search.jsonl, each with its legend
    "loss": {"weight_loss": "weights", "alpha_loss": "alphas", "train_loss": "training"},
    "entropy of alpha, nats": {"entropy_normal": "normal", "entropy_reduce": "reduction"},
    "skips in the cell": {"skips_normal": "normal", "skips_reduce": "reduction"},
    "dominant eigenvalue of the alphas": {"eig_max": "selection loss"},
    "UAR inside the training side": {
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
    """A rendered face beside what the networks see of it."""

    preview: str
    view: str
    label: str
    sample_id: str


@dataclass(frozen=True)
class Cell:
    """One cell of a table: what is read, and the number or text that sorts it."""

    text: str
    sort: float | str | None = None
    kind: str = "num"


@dataclass(frozen=True)
class Bar:
    """A score with its interval as shares of 0..100 %, and the level of chance."""

    value: float
    low: float
    high: float
    chance: float

    @property
    def width(self) -> float:
        """Length of the interval."""
        return max(0.0, self.high - self.low)


@dataclass(frozen=True)
class Row:
    """One method in the comparison table of a task."""

    method: str
    scope: str
    status: str
    note: str
    cells: tuple[Cell, ...]
    bar: Bar | None


@dataclass
class TaskBlock:
    """Everything the report shows of one task under one protocol."""

    anchor: str
    task: str
    dataset: str
    protocol: str
    caption: str
    rendered: bool
    chance: float
    rows: list[Row]
    lead: str
    facts: list[tuple[str, str]] = field(default_factory=list)
    pairs: list[tuple[Cell, ...]] = field(default_factory=list)
    pairs_note: str = ""
    optimism: list[str] = field(default_factory=list)
    untried: list[tuple[str, str, str]] = field(default_factory=list)
    forest: Image | None = None
    subjects: Image | None = None
    costs: Image | None = None
    confusions: list[Image] = field(default_factory=list)
    datasets: list[tuple[str, list[Cell]]] = field(default_factory=list)
    dataset_names: list[str] = field(default_factory=list)
    gaps: list[tuple[str, list[Cell]]] = field(default_factory=list)
    details: list[tuple[str, list[Cell]]] = field(default_factory=list)
    cells: list[tuple[str, list[Image]]] = field(default_factory=list)
    curves: list[Image] = field(default_factory=list)
    patches: list[tuple[str, list[Image], list[str]]] = field(default_factory=list)
    patch_costs: list[tuple[str, list[Cell]]] = field(default_factory=list)
    patch_table: pd.DataFrame | None = None
    faces: list[Face] = field(default_factory=list)


@dataclass(frozen=True)
class Answers:
    """Predictions of a method run over all its seeds: subjects, datasets, true and predicted class indices."""

    classes: list[str]
    frame: pd.DataFrame
    truth: np.ndarray
    guess: np.ndarray


def svg_address(svg: str) -> str:
    """An SVG text as a data address."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def svg_of(image: Image) -> bytes:
    """The SVG of an image that `svg_address` made."""
    return base64.b64decode(image.source.partition(",")[2])


def png_address(data: bytes) -> str:
    """PNG bytes as a data address."""
    return "data:image/png;base64," + base64.b64encode(data).decode()


def task_blocks(
    results: Path, frame: pd.DataFrame, config: StudyConfig | None, statistics: Statistics | None = None
) -> list[TaskBlock]:
    """One block per task and protocol of the comparison, in its order."""
    texts = captions(results, frame)
    return [
        _block(results, task, protocol, rows, texts[(task, protocol)], config, statistics or Statistics())
        for task, protocol, rows in task_groups(frame)
    ]


def _block(
    results: Path,
    task: str,
    protocol: str,
    frame: pd.DataFrame,
    caption: str,
    config: StudyConfig | None,
    statistics: Statistics,
) -> TaskBlock:
    rendered = bool(frame["rendered"].any())
    task_dir = task + (RENDERED_SUFFIX if rendered else "")
    folds = optional_json(results / "tasks" / task_dir / protocol / "folds.train.json")
    ordered = frame.sort_values(["uar", "method"], ascending=[False, True], na_position="last", kind="stable")
    records = sorted(records_of(ordered), key=lambda record: ORDER[str(record["status"])])
    against = statistics.against_best(records)
    classes = list(folds.get("classes") or _classes(config, task))
    chance = 1 / len(classes) if classes else float("nan")
    block = TaskBlock(
        anchor=f"{task}-{protocol}",
        task=task,
        dataset=str(frame["dataset"].iloc[0]),
        protocol=protocol,
        caption=caption,
        rendered=rendered,
        chance=chance,
        rows=[
            _row(
                record,
                chance,
                against.get(run_name(record, records)),
                statistics.health_of(record),
                record is winner(records),
            )
            for record in records
            if record["status"] != "skipped"
        ],
        lead=lead(records, chance, against),
        untried=[
            (str(record["method"]), str(record["search_scope"] or ""), notes(record))
            for record in records
            if record["status"] == "skipped"
        ],
    )
    _add_statistics(block, statistics)
    block.facts = _facts(results, block, task_dir, folds, classes, config)
    runs = {
        _label(record, records): _run(results, task_dir, protocol, record)
        for record in records
        if record["search_scope"]
    }
    good = [record for record in records if record["status"] == "ok"]
    _add_scores(block, good, records, {name: run for name, run in runs.items() if run is not None})
    seeds = {
        f"{row['method']} {row['search_scope']}": row for row in statistics.of(statistics.variance, task, protocol)
    }
    block.details = [
        (name, [*cells, *_seed_cells(seeds.get(f"{record['method']} {record['search_scope']}"))])
        for (name, cells), record in zip(block.details, good, strict=True)
    ]
    _add_patches(results, block, {name: run for name, run in runs.items() if run is not None})
    block.curves += similarity_images(config, good, classes)
    if rendered or (config is not None and config.tracking.real_faces):
        view = config.tasks[task].view if config is not None and task in config.tasks else "*"
        block.faces = _faces(results, task_dir, block.dataset + (RENDERED_SUFFIX if rendered else ""), view)
    return block


def _add_scores(
    block: TaskBlock, good: list[dict[str, Any]], records: list[dict[str, Any]], runs: dict[str, MethodRun]
) -> None:
    labels = [_label(record, records) for record in good]
    kinds = {name: kind_of(record) for name, record in zip(labels, good, strict=True)}
    if good:
        estimates = [
            figures.Estimate(name, record["uar"], record["uar_low"], record["uar_high"], kinds[name])
            for name, record in zip(labels, good, strict=True)
        ]
        words = "; ".join(f"{name} {score_text(record)}" for name, record in zip(labels, good, strict=True))
        svg = figures.forest_svg(estimates, block.chance if np.isfinite(block.chance) else None)
        block.forest = Image(svg_address(svg), f"Forest plot of UAR in percent: {words}")
    answers = {name: found for name in labels if (found := read_answers(runs[name])) is not None}
    if answers:
        _add_subjects(block, answers, kinds)
        _add_confusions(block, answers)
        _add_datasets(block, answers)
        _add_gaps(block, {name: runs[name] for name in answers})
    _add_costs(block, runs)
    block.details = [(name, detail_cells(runs[name])) for name in labels]
    block.cells = [(name, images) for name, run in runs.items() if (images := cell_images(name, run))]
    block.curves = [image for name, run in runs.items() if (image := search_curves(name, run)) is not None]
    block.curves += [image for name in labels if (image := swap_image(name, runs[name])) is not None]
    for start in range(0, len(labels), CURVES_OF_ONE_IMAGE):
        training = training_curves({name: runs[name] for name in labels[start : start + CURVES_OF_ONE_IMAGE]})
        if training is not None:
            block.curves.append(training)


def _add_patches(results: Path, block: TaskBlock, runs: dict[str, MethodRun]) -> None:
    """Face patches: images (also as files beside the tables), sentences, and the table of costs."""
    for name, run in runs.items():
        found = patches.patch_findings(name, run)
        if found is not None:
            images = [Image(svg_address(svg), alt, caption) for svg, alt, caption in found.images]
            block.patches.append((name, images, found.sentences))
            patches.write_images(results / "tables", f"{block.task}-{block.protocol}", found)
    if not block.patches:
        return
    block.patch_table = patches.cost_table(runs)
    for row in records_of(block.patch_table):
        cells = [
            *(
                Cell(text(row[key]) + (f" ± {text(row[f'{key}_sd'])}" if is_number(row[f"{key}_sd"]) else ""), row[key])
                for key, text in (
                    ("params", short_count),
                    ("reduction", percent),
                    ("accuracy", percent),
                    ("uar", percent),
                )
            ),
            *(Cell(f"{row[key]:.3g}", row[key]) for key in ("train_core_s", "epochs", "epoch_s")),
        ]
        block.patch_costs.append((str(row["method"]), cells))


def similarity_images(config: StudyConfig | None, records: Sequence[dict[str, Any]], classes: list[str]) -> list[Image]:
    """The similarity of expressions (FES) by which finished methods relabelled, each matrix once."""
    found: dict[str, tuple[np.ndarray, float, list[str]]] = {}
    for record in records:
        method = config.methods.get(str(record["method"])) if config is not None else None
        if method is None or method.recipe != "relabel" or not classes:
            continue
        options = plugins.load("training", "relabel").Config.model_validate(method.recipe_options)
        if options.strategy != 2:
            continue
        try:
            matrix = read_fes(options.fes, classes)
        except FernasError as error:
            logger.warning("no image of FES: %s", error)
            continue
        found.setdefault(options.fes, (matrix, options.fes_threshold, []))[2].append(str(record["method"]))
    images = []
    for matrix, threshold, names in found.values():
        pairs = admitted(matrix, classes, threshold)
        words = ", ".join(f"{a} and {b}" for a, b in pairs) or "none"
        caption = f"similarity of expressions (FES) in the relabelling of {', '.join(dict.fromkeys(names))}"
        svg = figures.similarity_svg(matrix, classes)
        images.append(Image(svg_address(svg), f"{caption}. Pairs above {threshold:g}: {words}", caption))
    return images


def kind_of(record: dict[str, Any]) -> str:
    """Whether a row's architecture was searched, drawn at random, or neither: one of `figures.KINDS`."""
    searched, control, fixed = figures.KINDS
    if str(record["search"] or record["method"]).startswith("random"):
        return control
    taken = str(record["search"]) == "taken"  # of another run, which searched
    return fixed if record["search_scope"] == "no_data" or (record["search_macs"] == 0 and not taken) else searched


def _classes(config: StudyConfig | None, task: str) -> list[str]:
    return list(config.tasks[task].classes) if config is not None and task in config.tasks else []


def _label(record: dict[str, Any], records: Sequence[dict[str, Any]]) -> str:
    """The method's name, with its scope where the method ran in several."""
    same = [r for r in records if r["method"] == record["method"]]
    return str(record["method"]) if len(same) == 1 else f"{record['method']} ({record['search_scope']})"


def _run(results: Path, task_dir: str, protocol: str, record: dict[str, Any]) -> MethodRun | None:
    method, scope = str(record["method"]), str(record["search_scope"])
    folder = results / "runs" / task_dir / protocol / method / scope
    return MethodRun(task_dir, protocol, method, scope, folder) if folder.is_dir() else None


def _row(
    record: dict[str, Any],
    chance: float,
    against: dict[str, Any] | None,
    health: dict[str, Any] | None,
    is_best: bool,
) -> Row:
    def amount(name: str, text: str) -> Cell:
        value = record[name]
        return Cell(text, None if missing(value) else float(value))

    bar = None
    if not missing(record["uar"]):
        low, high = (record["uar"] if missing(record[name]) else record[name] for name in ("uar_low", "uar_high"))
        bar = Bar(100 * record["uar"], 100 * low, 100 * high, 100 * chance)
    return Row(
        method=str(record["method"]),
        scope=str(record["search_scope"] or ""),
        status=str(record["status"]),
        note="; ".join(filter(None, [notes(record), health["warnings"] if health else ""])),
        cells=(
            amount("uar", score_text(record)),
            _against_cell(against, is_best),
            amount("uf1", percent(record["uf1"])),
            amount("accuracy", percent(record["accuracy"])),
            amount("params", short_count(record["params"])),
            amount("macs", short_count(record["macs"])),
            amount("search_macs", short_count(record["search_macs"])),
            amount("core_s", short_count(record["core_s"])),
            amount("seed_count", str(record["seed_count"])),
            _search_cell(health),
        ),  # fmt: skip
        bar=bar,
    )


def _against_cell(pair: dict[str, Any] | None, is_best: bool) -> Cell:
    """The distance to the best in points and whether it is more than chance."""
    if is_best:
        return Cell("best", 0.0, "text")
    if pair is None:
        return Cell("-", None, "text")
    sure = pair["swap_p_holm"] < SIGNIFICANT
    return Cell(
        f"{gap_text(-pair['difference'])} (p {p_text(pair['swap_p_holm'])})",
        -float(pair["difference"]),
        "sure" if sure else "open",
    )


def _search_cell(health: dict[str, Any] | None) -> Cell:
    if health is None:
        return Cell("-", None, "text")
    parts = []
    if not missing(health["entropy_end"]):
        parts.append(f"entropy {entropy_text(health)}")
    if not missing(health["skips_normal"]):
        parts.append(f"skips {skips_pair(health)}")
    if not missing(health["curvature"]):
        parts.append(f"eigenvalue {health['curvature']:.3g}")
    if not missing(health["agreement_cells"]):
        parts.append(f"tau {ranks_text(health)}")
    order = health["entropy_end"] if health["skips_normal"] is None else health["skips_normal"]
    return Cell("; ".join(parts), order, "text")


def lead(records: list[dict[str, Any]], chance: float, against: dict[str, dict[str, Any]] | None = None) -> str:
    """Who leads, by how much, whether that is more than chance, and which method costs least among the equals.

    Args:
        records: the rows of one task.
        chance: the UAR of a constant answer.
        against: name -> paired tests of the best against it; without them the intervals speak.
    """
    first = winner(records)
    if first is None:
        return "No method has finished."
    clean = first.get("search_scope", "") in CLEAN_SCOPES
    good = [r for r in records if r["status"] == "ok" and (not clean or r["search_scope"] in CLEAN_SCOPES)]
    text = f"{first['method']} has the highest UAR, {score_text(first)} %"
    if np.isfinite(chance):
        text += f" (chance {percent(chance)} %)"
    if not missing(first["uar_low"]) and first["uar_low"] <= chance:
        return f"{text}; its interval includes chance."
    names = [run_name(record, records) for record in good] if against else []
    tested = {name: pair for name, pair in (against or {}).items() if name in names}
    if tested:
        every = "every other method"
        if len(good) < sum(record["status"] == "ok" for record in records):
            every += " whose search saw no test subjects"
        return f"{text}. {_tested(tested, every)}{_cheapest(good, records, tested)}"
    near = [str(r["method"]) for r in good[1:] if not missing(r["uar_high"]) and r["uar_high"] >= first["uar_low"]]
    if len(good) == 1 or missing(first["uar_low"]):
        return f"{text}."
    if near:
        return f"{text}. Its interval overlaps that of {_listed(near)}, so the order among them is not settled."
    return f"{text}, and its interval overlaps no other."


def _tested(against: dict[str, dict[str, Any]], every: str) -> str:
    """What the paired tests of the best against all others (`every` in words) say."""
    sure = [name for name, pair in against.items() if pair["swap_p_holm"] < SIGNIFICANT]
    open_ = [name for name in against if name not in sure]
    second, pair = next(iter(against.items()))
    how = f"swap test over {pair['units']} {pair['unit']}s, Holm-adjusted"
    ahead = f"It is {100 * pair['difference']:.1f} points ahead of {second} ({how} p {p_text(pair['swap_p_holm'])})"
    least = min(found["swap_smallest_p"] * found["family"] for found in against.values())
    if not open_:
        return f"{ahead} and beats {every} beyond chance."
    if least >= SIGNIFICANT:
        return f"{ahead}. So few {pair['unit']}s cannot settle an order among {pair['family']} pairs."
    if not sure:
        return f"{ahead}; none of the others is told apart from it."
    return f"{ahead}. Beyond chance it beats {_listed(sure)}; {_listed(open_)} cannot be told apart from it."


def _cheapest(good: list[dict[str, Any]], records: list[dict[str, Any]], against: dict[str, dict[str, Any]]) -> str:
    """The cheapest method that is not told apart from the best, where it is another one."""
    equal = [good[0]] + [
        record
        for record in good[1:]
        if (pair := against.get(run_name(record, records))) is not None and pair["swap_p_holm"] >= SIGNIFICANT
    ]
    priced = [record for record in equal if not missing(record["core_s"])]
    if len(priced) < 2 or missing(good[0]["core_s"]):
        return ""
    least = min(priced, key=lambda record: float(record["core_s"]))
    if least is good[0]:
        return " It is also the cheapest of those."
    prices = [short_count(record["core_s"]) for record in (least, good[0])]
    return f" Cheapest of those: {run_name(least, records)}, {prices[0]} core-seconds against {prices[1]}."


def _add_statistics(block: TaskBlock, statistics: Statistics) -> None:
    pairs = statistics.of(statistics.paired, block.task, block.protocol)
    for row in pairs:
        texts = pair_cells(row)[1:]
        sorts = (
            None, None, row["difference"], row["swap_p"], row["swap_p_holm"], row["swap_smallest_p"],
            row["wilcoxon_p"], row["mcnemar_p"], row["d_z"], row["better"],
        )  # fmt: skip
        sure = "sure" if row["swap_p_holm"] < SIGNIFICANT else "num"
        block.pairs.append(
            tuple(
                Cell(text, sort, sure if place == 4 else "num")
                for place, (text, sort) in enumerate(zip(texts, sorts, strict=True))
            )
        )
    if pairs:
        first = pairs[0]
        block.pairs_note = (
            f"{len(pairs)} pairs over {first['units']} {first['unit']}s. The swap test exchanges the answers of whole "
            f"{first['unit']}s and recomputes the pooled UAR; Holm adjusts over the {len(pairs)} pairs; the least p is "
            "the smallest that data of this size can give. Wilcoxon: accuracy of each "
            f"{first['unit']}; McNemar: {first['mcnemar_reason'] or 'single samples'}. d_z: mean over standard "
            f"deviation of the {first['unit']}s' shares of the difference."
        )
    for row in statistics.of(statistics.optimism, block.task, block.protocol):
        block.optimism.append(
            f"{row['method']}: {gap_text(row['gap'], row['low'], row['high'])} points (UAR "
            f"{percent(row['uar_whole_matched'])} when the search saw test subjects, {percent(row['uar_per_group'])} "
            f"when it did not; p {p_text(row['p'])}, Holm-adjusted over all gaps {p_text(row['p_holm'])})"
        )


def _listed(names: Sequence[str]) -> str:
    if len(names) > 3:
        return f"{', '.join(names[:2])} and {len(names) - 2} more"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _facts(
    results: Path,
    block: TaskBlock,
    task_dir: str,
    folds: dict[str, Any],
    classes: list[str],
    config: StudyConfig | None,
) -> list[tuple[str, str]]:
    facts = [("dataset", block.dataset), ("protocol", str(folds.get("note") or folds.get("kind") or block.protocol))]
    if classes:
        facts.append(("classes", ", ".join(classes)))
    if folds.get("folds"):
        facts.append(("folds", str(len(folds["folds"]))))
    if folds.get("groups"):
        facts.append(("searches per seed", f"{len(folds['groups'])} groups of folds"))
    table = folds.get("table")
    if table:
        facts.append(("samples", str(len(table))))
    if config is not None and block.task in config.tasks:
        facts.append(("networks see", _seen(config, block)))
    audit = optional_json(results / "tasks" / task_dir / block.protocol / "audit.json")
    if audit:
        leaks, dropped = audit.get("leaks") or [], audit.get("dropped") or []
        facts.append(
            ("audit of the folds", "no overlap of sides" if not leaks else f"{len(leaks)} leaks, see the notes")
        )
        if dropped:
            facts.append(("duplicates left out of training", str(len(dropped))))
    return facts


def _seen(config: StudyConfig, block: TaskBlock) -> str:
    """The task's view in words, and the views of those methods in the table that have their own."""
    usual = config.tasks[block.task].view
    own: dict[str, list[str]] = {}
    for row in block.rows:
        if row.method in config.methods and (name := grid.view_of(config, block.task, row.method)) != usual:
            own.setdefault(name, []).append(row.method)
    others = [f"{', '.join(dict.fromkeys(methods))}: {_view_text(config, name)}" for name, methods in own.items()]
    if sum(len(methods) for methods in own.values()) == len(block.rows) > 0:
        return "; ".join(others)
    return "; ".join([_view_text(config, usual), *others])


def _view_text(config: StudyConfig, name: str) -> str:
    view = config.views[name]
    plugin = plugins.load("views", view.kind)
    return plugin.text(plugin.options(view.options))


def read_answers(run: MethodRun) -> Answers | None:
    """The predictions of all seeds of a run, or None where there are none."""
    frames = []
    for training in run.trainings:
        try:
            frames.append(read_parquet(training.folder / "predictions.parquet"))
        except DataError:
            continue
    frames = [frame for frame in frames if len(frame)]
    if not frames:
        return None
    frame = pd.concat(frames, ignore_index=True)
    truth, guess, classes = figures.predicted(frame)
    return Answers(classes, frame, truth, guess)


def _add_subjects(block: TaskBlock, answers: dict[str, Answers], kinds: dict[str, str]) -> None:
    scores: dict[str, list[float]] = {}
    for name, found in answers.items():
        subjects = found.frame.get("subject")
        if subjects is None or subjects.isna().all():
            continue
        hit = pd.Series(found.truth == found.guess)
        scores[name] = [float(value) for value in hit.groupby(subjects.to_numpy()).mean()]
    if scores:
        words = "; ".join(
            f"{name}: median {percent(np.median(v))}, lowest {percent(min(v))}, highest {percent(max(v))}"
            for name, v in scores.items()
        )
        count = len(next(iter(scores.values())))
        svg = figures.subjects_svg(scores, kinds)
        block.subjects = Image(svg_address(svg), f"Accuracy per subject in percent, {count} subjects. {words}")


def _add_confusions(block: TaskBlock, answers: dict[str, Answers]) -> None:
    for name, found in answers.items():
        counts = np.asarray(confusion(found.truth, found.guess, len(found.classes)))
        with np.errstate(invalid="ignore"):
            recall = np.diag(counts) / counts.sum(1)
        words = ", ".join(f"{c} {percent(r)}" for c, r in zip(found.classes, recall, strict=True))
        block.confusions.append(
            Image(
                svg_address(figures.confusion_svg(counts, found.classes)),
                f"Confusion matrix of {name}. Recall per class in percent: {words}",
                name,
            )  # fmt: skip
        )


def _add_datasets(block: TaskBlock, answers: dict[str, Answers]) -> None:
    """UAR per dataset of a composite."""
    names = sorted(
        {str(d) for found in answers.values() for d in found.frame.get("dataset", pd.Series(dtype=str)).unique()}
    )
    if len(names) < 2:
        return
    block.dataset_names = names
    for method, found in answers.items():
        cells = []
        for dataset in names:
            mask = (found.frame["dataset"] == dataset).to_numpy()
            value = float(uar(found.truth[mask], found.guess[mask], len(found.classes))) if mask.any() else float("nan")
            cells.append(Cell(percent(value), None if np.isnan(value) else value))
        block.datasets.append((method, cells))


def _add_gaps(block: TaskBlock, runs: dict[str, MethodRun]) -> None:
    """How far apart groups of people are, where attributes are known."""
    for method, run in runs.items():
        for gap in group_gaps([optional_json(training.folder / "scores.json") for training in run.trainings]):
            low, high = gap.interval or (None, None)
            text = "-" if low is None or high is None else f"{percent(low)} to {percent(high)}"
            groups = ", ".join(f"{name} {percent(recall)} ({count})" for name, recall, count in gap.recalls)
            cells = [Cell(gap.attribute.replace("_", " "), gap.attribute, "text"), _share(gap.gap)]
            block.gaps.append((method, [*cells, Cell(text, low), Cell(groups, groups, "text")]))


def detail_cells(run: MethodRun) -> list[Cell]:
    """UAR as mean of folds, its spread over seeds, UAR without faceless samples and how many those are."""
    scores = [optional_json(training.folder / "scores.json") for training in run.trainings]
    scores = [found for found in scores if number(found, "uar") is not None]
    without = [found.get("without_no_face") or {} for found in scores]
    uars = [float(found["uar"]) for found in scores]
    left_out = _mean([number(found, "left_out") for found in without])
    return [
        _share(_mean([number(found.get("mean_of_folds") or {}, "uar") for found in scores])),
        _share(float(np.std(uars, ddof=1)) if len(uars) > 1 else None),
        _share(_mean([number(found, "uar") for found in without])),
        Cell("-" if left_out is None else f"{left_out:g}", left_out),
    ]


def _seed_cells(row: dict[str, Any] | None) -> list[Cell]:
    """Standard deviations that come of search seeds and of training seeds."""
    names = ("search_sd", "training_sd")
    return [_share(None if row is None or missing(row[name]) else float(row[name])) for name in names]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _share(value: float | None) -> Cell:
    return Cell(percent(value), value)


def _add_costs(block: TaskBlock, runs: dict[str, MethodRun]) -> None:
    costs: dict[str, dict[str, float]] = {}
    for name, run in runs.items():
        parts = {
            "search": [s.folder for s in run.searches],
            "training": [j.folder for t in run.trainings for j in t.shards],
        }
        found = {
            stage: [number(optional_json(f / "cost.json"), "core_s") for f in folders]
            for stage, folders in parts.items()
        }
        sums = {stage: sum(v for v in values if v is not None) for stage, values in found.items()}
        if any(sums.values()):
            costs[name] = sums
    if costs:
        words = "; ".join(
            f"{n}: search {short_count(c['search'])}, training {short_count(c['training'])}" for n, c in costs.items()
        )
        block.costs = Image(svg_address(figures.costs_svg(costs)), f"Core-seconds of all jobs: {words}")


def cell_images(name: str, run: MethodRun) -> list[Image]:
    """The drawings of the distinct architectures that a method found."""
    images: dict[str, Image] = {}
    for search in run.searches:
        document = optional_json(search.folder / "architecture.json")
        file = search.folder / "cell.svg"
        if document.get("kind") in (None, "named") or not file.is_file() or not file.stat().st_size:
            continue
        svg = file.read_text(encoding="utf-8")
        if svg in images:
            continue
        where = f"search seed {search.search_seed}, group {search.group}"
        told, wide = f"Architecture of {name}, {where}: {_described(document)}", document["kind"] == "cells"
        images[svg] = Image(svg_address(svg), told, where, wide=wide)
        if len(images) == MAX_CELLS:
            break
    return list(images.values())


def _described(document: dict[str, Any]) -> str:
    if document.get("kind") == "patches":
        return f"{len(document.get('patches', []))} patches"
    parts = []
    for kind in ("normal", "reduce"):
        operations = [str(pair[0]) for pair in document.get(kind, [])]
        parts.append(f"{kind} cell {', '.join(operations)}")
    return "; ".join(parts)


def search_curves(name: str, run: MethodRun) -> Image | None:
    """Curves of a method's searches, the mean over its groups and seeds; nothing for searches without steps."""
    histories = [optional_jsonl(search.folder / "search.jsonl") for search in run.searches]
    histories = [rows for rows in histories if len(rows) > 1]
    if not histories:
        return None
    panels, words = [], []
    for title, columns in CURVES.items():
        series = {}
        for column, legend in columns.items():
            steps, values = mean_curve([[(i, row.get(column)) for i, row in enumerate(rows)] for rows in histories])
            if steps:
                series[legend] = (steps, values)
                words.append(f"{title}, {legend}: from {values[0]:.3g} to {values[-1]:.3g}")
        if series:
            panels.append(figures.Panel(title, series))
    if not panels:
        return None
    step = (
        "candidate" if "candidate" in histories[0][0] else "generation" if "generation" in histories[0][0] else "epoch"
    )
    svg = figures.curves_svg(panels, step)
    caption = f"search of {name}, mean of {len(histories)} searches" if len(histories) > 1 else f"search of {name}"
    return Image(svg_address(svg), f"Curves of the search of {name}. " + "; ".join(words), caption)


def swap_image(name: str, run: MethodRun) -> Image | None:
    """What relabelling swapped in a method's trainings and what became of it; nothing for other recipes."""
    log = swap_log(run)
    if log is None:
        return None
    panels, words = swap_panels(log)
    svg = figures.curves_svg(panels, "epoch of relabelling")
    told = words[0].upper() + words[1:]
    return Image(svg_address(svg), f"Relabelling of {name}: {words}.", f"relabelling of {name}", f"{told}.")


def training_curves(runs: dict[str, MethodRun]) -> Image | None:
    """Training loss and inner-validation UAR per method, the mean over folds and seeds."""
    panels, words = [], []
    histories = {
        name: [
            rows_of_chosen_rates(optional_jsonl(shard.folder / "training.jsonl"))
            for training in run.trainings
            for shard in training.shards
        ]
        for name, run in runs.items()
    }
    for title, column in (("training loss", "loss"), ("inner-validation UAR", "inner_uar")):
        series = {}
        for name, shards in histories.items():
            steps, values = mean_curve(numbered_by_fold(rows, column) for rows in shards)
            if steps:
                series[name] = (steps, values)
                words.append(f"{title} of {name}: from {values[0]:.3g} to {values[-1]:.3g}")
        if series:
            panels.append(figures.Panel(title, series))
    if not panels:
        return None
    return Image(
        svg_address(figures.curves_svg(panels)),
        "Curves of training. " + "; ".join(words),
        f"training of {_listed(list(runs))}, mean over folds and seeds",
    )


def numbered_by_fold(rows: Iterable[dict[str, Any]], column: str) -> list[tuple[int, Any]]:
    """(how many rows of its fold came before, value of a column): epochs go on where a recipe has several phases."""
    seen: dict[Any, int] = defaultdict(int)
    found = []
    for row in rows:
        found.append((seen[row.get("fold")], row.get(column)))
        seen[row.get("fold")] += 1
    return found


def mean_curve(histories: Iterable[Iterable[tuple[int, Any]]]) -> tuple[list[float], list[float]]:
    """The mean of several curves at each step at which one of them has a finite number."""
    at: dict[int, list[float]] = defaultdict(list)
    for rows in histories:
        for step, value in rows:
            if isinstance(value, int | float) and np.isfinite(value):
                at[step].append(float(value))
    steps = sorted(at)
    return [float(step) for step in steps], [float(np.mean(at[step])) for step in steps]


def _faces(results: Path, task_dir: str, data_dir: str, view: str) -> list[Face]:
    """A few faces of each class with what the networks see of them."""
    views = [p for p in sorted((results / "tasks" / task_dir).glob(f"{view}/inputs.npy")) if p.stat().st_size]
    data = results / "data" / data_dir
    if not views or not (data / "previews.npy").is_file():
        return []
    try:
        inputs, table = read_npy(views[0], mmap=True), read_parquet(views[0].with_name("inputs.parquet"))
        previews, faces = read_npy(data / "previews.npy", mmap=True), read_parquet(data / "faces.parquet")
    except DataError:
        return []
    if inputs.dtype != np.uint8:
        return []  # features: nothing to look at
    position = {sample: index for index, sample in enumerate(faces["sample_id"])}
    found: list[Face] = []
    usable = table[table["source_id"].isin(position) & (table["face_status"] != "no_face")]
    for label, rows in usable.groupby("label", sort=False):
        several = rows["dataset"].nunique() > 1
        chosen = rows.drop_duplicates("dataset" if several else "subject").head(FACES_PER_CLASS)
        for row in records_of(chosen):
            preview = figures.image_png(np.asarray(previews[position[row["source_id"]]]))
            seen = figures.image_png(np.asarray(inputs[int(row["row"])]))
            found.append(Face(png_address(preview), png_address(seen), str(label), str(row["sample_id"])))
    return found
