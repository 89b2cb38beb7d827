"""What the page of one task holds: its tables, its images, the facts of its folds. The template renders it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fernas.core import plugins
from fernas.reporting import images
from fernas.reporting.compare import FOLDER, StudyTables
from fernas.reporting.comparison import notes, task_records
from fernas.reporting.drawings import kind_of, task_classes
from fernas.reporting.formats import gap, p_value, percent, plain, records_of, rows_of, task_groups
from fernas.reporting.images import Face, Image, svg_address
from fernas.reporting.predictions import pooled_predictions
from fernas.reporting.run_facts import audit_leaks
from fernas.reporting.statistics import finished, paired_table, run_name, run_of
from fernas.reporting.stored import RunFiles, optional_json
from fernas.reporting.table import Table
from fernas.reporting.verdict import lead
from fernas.study import ResultsLayout, Study
from fernas.study.layout import FoldsFolder, folder_name

CURVES_OF_ONE_IMAGE = 6
ORDER = {"ok": 0, "failed": 1, "skipped": 2}


@dataclass
class TaskPage:
    """Everything the report shows of one task under one protocol.

    Attributes:
        names_subjects: whether all datasets of the task name subjects, as far as its scores say.
        facts: name -> what is true of the task.
        untried: (method, scope, reason) of the methods that did not run.
        cells: method -> its distinct architectures.
        patches: (method, drawings, sentences) of the methods that search face patches.
    """

    task: str
    protocol: str
    dataset: str
    caption: str
    rendered: bool
    lead: str
    tables: dict[str, Table]
    names_subjects: bool = True
    facts: dict[str, str] = field(default_factory=dict)
    pairs_note: str = ""
    optimism: list[str] = field(default_factory=list)
    untried: list[tuple[str, str, str]] = field(default_factory=list)
    forest: Image | None = None
    subjects: Image | None = None
    costs: Image | None = None
    confusions: list[Image] = field(default_factory=list)
    cells: dict[str, list[Image]] = field(default_factory=dict)
    curves: list[Image] = field(default_factory=list)
    patches: list[tuple[str, list[Image], list[str]]] = field(default_factory=list)
    faces: list[Face] = field(default_factory=list)

    @property
    def anchor(self) -> str:
        """The name of the page and of its files."""
        return f"{self.task}-{self.protocol}"


def task_pages(results: Path, tables: StudyTables, study: Study) -> list[TaskPage]:
    """One page per task and protocol of the comparison, in its order."""
    return [_page(results, tables, task, protocol, study) for task, protocol, _ in task_groups(tables.comparison)]


def _page(results: Path, tables: StudyTables, task: str, protocol: str, study: Study) -> TaskPage:
    records = task_records(tables.comparison, task, protocol)
    classes = task_classes(results, records[0], study)
    rendered = bool(records[0]["rendered"])
    page = TaskPage(
        task=task,
        protocol=protocol,
        dataset=str(records[0]["dataset"]),
        caption=tables.captions[(task, protocol)],
        rendered=rendered,
        lead=lead(records, 1 / len(classes) if classes else float("nan"), tables.statistics.against_best(records)),
        tables=tables.task_tables(task, protocol, len(classes)),
        names_subjects={str(record["interval_unit"] or "subject") for record in records} == {"subject"},
    )
    page.tables["pairs"] = paired_table(tables.statistics, task, protocol)
    page.untried = [
        (str(record["method"]), str(record["search_scope"] or ""), notes(record))
        for record in records
        if record["status"] == "skipped"
    ]
    page.pairs_note = _pairs_note(records_of(rows_of(tables.paired, task, protocol)))
    page.optimism = [_optimism_text(row) for row in records_of(rows_of(tables.optimism, task, protocol))]
    layout = ResultsLayout(results)
    task_folder = layout.task(folder_name(task, rendered))
    page.facts = _facts(task_folder.folds(protocol), page, records, classes, study)
    _add_drawings(results, tables, page)
    _add_run_images(results, page, sorted(records, key=lambda record: ORDER[str(record["status"])]))
    page.curves += images.similarity_images(study, [str(r["method"]) for r in finished(records)], classes)
    if rendered or study.config.tracking.real_faces:
        inputs = task_folder.inputs(study.tasks[task].section.view)
        page.faces = images.face_samples(inputs, layout.dataset(folder_name(page.dataset, rendered)))
    return page


def _add_drawings(results: Path, tables: StudyTables, page: TaskPage) -> None:
    """What `compare` drew for this task."""
    by_method: dict[str, list[Image]] = {}
    for entry in tables.facts["drawings"]:
        if (entry["task"], entry["protocol"]) != (page.task, page.protocol):
            continue
        image = read_drawing(results, entry)
        if entry["kind"] == "forest":
            page.forest = image
        else:
            by_method.setdefault(entry["method"], []).append(image)
    page.patches = [
        (entry["method"], by_method[entry["method"]], entry["sentences"])
        for entry in tables.facts["patches"]
        if (entry["task"], entry["protocol"]) == (page.task, page.protocol)
    ]


def read_drawing(results: Path, entry: dict[str, Any]) -> Image:
    """A drawing of the tables folder, by its entry in `StudyTables.facts`."""
    svg = (results / FOLDER / entry["file"]).read_text(encoding="utf-8")
    return Image(svg_address(svg), entry["alt"], entry["caption"])


def _add_run_images(results: Path, page: TaskPage, records: Sequence[dict[str, Any]]) -> None:
    """What is drawn from the files of the runs."""
    every = {run_name(record, records): run_of(results, record) for record in records if record["search_scope"]}
    runs: dict[str, RunFiles] = {name: run for name, run in every.items() if run.folder.is_dir()}
    kinds = {run_name(record, records): kind_of(record) for record in finished(records)}
    predictions = {name: pooled for name in kinds if (pooled := pooled_predictions(runs[name])) is not None}
    page.subjects = images.subjects_image(predictions, kinds)
    page.confusions = [images.confusion_image(name, pooled) for name, pooled in predictions.items()]
    page.costs = images.costs_image(runs)
    page.cells = {name: drawn for name, run in runs.items() if (drawn := images.cell_images(name, run))}
    curves = [images.search_curves(name, run) for name, run in runs.items()]
    curves += [images.swap_image(name, runs[name]) for name in kinds]
    names = list(kinds)
    for start in range(0, len(names), CURVES_OF_ONE_IMAGE):
        curves.append(images.training_curves({name: runs[name] for name in names[start : start + CURVES_OF_ONE_IMAGE]}))
    page.curves = [image for image in curves if image is not None]


def _pairs_note(pairs: Sequence[dict[str, Any]]) -> str:
    """How the pairs were tested."""
    if not pairs:
        return ""
    unit, count = pairs[0]["unit"], len(pairs)
    return (
        f"{count} pairs over {pairs[0]['units']} {unit}s. The paired permutation test exchanges the predictions of "
        f"whole {unit}s and recomputes the pooled UAR; Holm adjusts over the {count} pairs; the smallest p is the "
        f"smallest attainable with data of this size. Wilcoxon: accuracy of each {unit}; McNemar: "
        f"{plain(pairs[0]['mcnemar_reason'], '') or 'single samples'}. d_z: mean over standard deviation of the "
        f"{unit}s' shares of the difference."
    )


def _optimism_text(row: dict[str, Any]) -> str:
    return (
        f"{row['method']}: {gap(row['gap'], row['low'], row['high'])} percentage points (UAR "
        f"{percent(row['uar_whole_matched'])} when the search saw test subjects, {percent(row['uar_per_group'])} "
        f"when it did not; p {p_value(row['p'])}, Holm-adjusted over all gaps {p_value(row['p_holm'])})"
    )


def _facts(
    folder: FoldsFolder, page: TaskPage, records: Sequence[dict[str, Any]], classes: list[str], study: Study
) -> dict[str, str]:
    """What the files of a protocol's folder and the config say of a task; what they do not say is left out."""
    folds, audit = optional_json(folder.train), optional_json(folder.audit)
    dropped = audit.get("dropped") or []
    methods = [str(record["method"]) for record in records if record["status"] != "skipped"]
    no_overlap = "no overlap of train and test split"
    if not page.names_subjects:
        no_overlap = "no copy of an image in both splits; subjects are not named"
    overlap = "; ".join(audit_leaks(audit)) or no_overlap
    facts = {
        "dataset": page.dataset,
        "protocol": str(folds.get("note") or folds.get("kind") or page.protocol),
        "classes": ", ".join(classes),
        "folds": str(len(folds.get("folds") or []) or ""),
        "searches per seed": f"{len(folds['groups'])} fold groups" if folds.get("groups") else "",
        "samples": str(len(folds.get("table") or {}) or ""),
        "networks see": views_text(study, page.task, methods),
        "audit of the folds": overlap if audit else "",
        "duplicates left out of training": str(len(dropped) or ""),
    }
    return {name: text for name, text in facts.items() if text}


def views_text(study: Study, task: str, methods: Sequence[str]) -> str:
    """The task's view in words, and the views of those methods that have their own."""
    usual = study.tasks[task].section.view
    users_of: dict[str, list[str]] = {}
    for method in methods:
        if (name := study.tasks[task].view_of(method)) != usual:
            users_of.setdefault(name, []).append(method)
    others = [f"{', '.join(dict.fromkeys(users))}: {_view_text(study, name)}" for name, users in users_of.items()]
    if sum(len(users) for users in users_of.values()) == len(methods) > 0:
        return "; ".join(others)
    return "; ".join([_view_text(study, usual), *others])


def _view_text(study: Study, name: str) -> str:
    view = study.views[name]
    plugin = plugins.load("views", view.kind)
    return str(plugin.text(plugin.options(view.options)))
