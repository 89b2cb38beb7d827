"""fernas from Python: a task as arrays, folds without their test labels, a budget meter, and the same scores.

    task = fernas.load_task("ckplus-7n")

reads what the workflow made (`snakemake --cores all ckplus`, or only the task's `audit.json`); docs/python.md has an
example method of forty lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.budget import BudgetMeter
from fernas.core.errors import ConfigError, ContractError, DataError, unknown
from fernas.core.io import read_json
from fernas.learn.arrays import ArrayPart, Inputs
from fernas.study import Study

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TaskFold:
    """One fold: the parts of its training side, and the images that it is tested on, without their labels.

    Attributes:
        fold: its number.
        name: what it tests, for example a subject.
        group: the group of folds that share one search.
        weights, selection, inner_validation: `ArrayPart`s (`.images` uint8 (N, H, W, C), `.labels` int64 (N,), `.ids`,
            `.subjects`): for gradients, for choices of an architecture, for choices of an epoch.
        test: images uint8 (N, H, W, C).
    """

    fold: int
    name: str
    group: int
    weights: ArrayPart
    selection: ArrayPart
    inner_validation: ArrayPart
    test: np.ndarray

    @property
    def train(self) -> ArrayPart:
        """Weights and selection together: what a final network is trained on."""
        return self.weights.join(self.selection)


@dataclass(frozen=True)
class TaskGroup:
    """A group of folds: the parts that a search for all of them may use; none of its folds tests a subject of them."""

    group: int
    folds: tuple[int, ...]
    weights: ArrayPart
    selection: ArrayPart
    inner_validation: ArrayPart


@dataclass
class Task:
    """A task of a study under a protocol.

    Attributes:
        name, protocol: names in the config.
        classes: class names in the order of the labels.
        input_shape: (C, H, W) of one image.
        folds, groups: see `TaskFold` and `TaskGroup`.
        rendered: whether the faces are rendered, and so no evidence about people.
    """

    name: str
    protocol: str
    classes: list[str]
    input_shape: tuple[int, int, int]
    folds: list[TaskFold]
    groups: list[TaskGroup]
    rendered: bool
    _inputs: Inputs = field(repr=False)
    _tests: dict[int, list[str]] = field(repr=False)
    _unit_groups: dict[str, str] = field(repr=False)
    _study: Study = field(repr=False)
    _files: dict[str, Path] = field(repr=False)

    def budget(self, limit: float | str | None = None, group: int = 0) -> BudgetMeter:
        """A meter of multiply-accumulates: `meter.spend(macs_per_image, images, backward=True)`, `meter.exhausted`.

        Args:
            limit: what may be spent; or the name of a method of the study, whose search budget on this group is taken;
                or None for a meter that only measures.
            group: the group of folds that is searched for.
        """
        if not isinstance(limit, str):
            return BudgetMeter(limit)
        from fernas.search.run import SearchSpec, search_budget_for

        if limit not in self._study.methods:
            raise unknown("budget: method", limit, self._study.methods)
        spec = SearchSpec(self._study.methods[limit], "per_group", group)
        return BudgetMeter(search_budget_for(spec, self._files["inputs"], self._files["train"]))

    def predictions(self, probabilities: Mapping[int, np.ndarray] | Sequence[np.ndarray]) -> "pd.DataFrame":
        """Answers of all folds as predictions, which `score`, `fernas score` and `fernas compare` read.

        Args:
            probabilities: fold -> (N, classes), rows that sum to one, in the order of the fold's `test`.

        Raises:
            ContractError: a fold is missing or has another shape.
        """
        import pandas as pd

        answers = dict(probabilities if isinstance(probabilities, Mapping) else enumerate(probabilities))
        frames = []
        for fold, ids in sorted(self._tests.items()):
            values = np.asarray(answers.get(fold, np.empty((0, 0))), np.float64)
            if values.shape != (len(ids), len(self.classes)):
                raise ContractError(
                    f"predictions: fold {fold}: got an array of shape {values.shape}, expected "
                    f"{(len(ids), len(self.classes))} (its test images, the classes)"
                )
            lines = self._inputs.table.set_index("sample_id").loc[ids].reset_index()
            kept = {name: lines[name] for name in ("sample_id", "subject", "dataset") if name in lines}
            more = {
                "group": [self._unit_groups.get(name) for name in ids],
                "fold": fold,
                "label": [self.classes[index] for index in lines["class_index"]],
                "face_status": lines["face_status"] if "face_status" in lines else None,
            }
            columns = {f"p_{name}": values[:, k] for k, name in enumerate(self.classes)}
            frames.append(pd.DataFrame({**kept, **more, **columns}))
        return pd.concat(frames, ignore_index=True)

    def score(self, probabilities: Mapping[int, np.ndarray] | Sequence[np.ndarray]) -> dict[str, Any]:
        """Accuracy, UF1 and UAR pooled over all folds, with intervals over subjects, as in every table of fernas."""
        from fernas.scoring.scores import score_predictions

        options = self._study.config.scoring.model_dump()
        return score_predictions(self.predictions(probabilities), self.classes, **options)


def load_task(
    name: str,
    protocol: str | None = None,
    config: Path | str | Study = "config.yaml",
    view: str | None = None,
    results: Path | str | None = None,
) -> Task:
    """A task that the workflow has prepared.

    Args:
        name: its name in the config, for example `ckplus-7n`.
        protocol: its name in the config; by default that of the task's first entry in the study.
        config: the study, or the file that it stands in.
        view: what networks see; the task's own by default.
        results: the results folder; the config's by default.

    Raises:
        ConfigError: the config knows no such task, protocol or view.
        DataError: the task is not prepared yet; the text says which command does it.
    """
    study = config if isinstance(config, Study) else Study.load(config)
    if results is not None:
        study = study.at(results)
    if name not in study.tasks:
        raise unknown("task", name, study.tasks)
    chosen = protocol or next((entry.protocol for entry in study.config.study if entry.task == name), None)
    if chosen is None:
        raise ConfigError(
            f"task {name}: no study entry names it, so say which protocol; known: {', '.join(study.protocols)}"
        )
    if chosen not in study.protocols:
        raise unknown("protocol", chosen, study.protocols)
    task = study.tasks[name]
    chosen_view = view or task.section.view
    if chosen_view not in study.views:
        raise unknown("view", chosen_view, study.views)
    inputs_folder, folds = task.files.inputs(chosen_view), task.folds(chosen)
    files = {
        "inputs": inputs_folder.inputs,
        "table": inputs_folder.table,
        "train": folds.train,
        "test": folds.test,
        "audit": folds.audit,
    }
    missing = [path for path in files.values() if not path.is_file()]
    if missing:
        wanted = " ".join(str(files[key]) for key in ("inputs", "audit"))
        raise DataError(f"{missing[0]}: no such file; expected a prepared task: snakemake --cores all {wanted}")
    train, test = read_json(files["train"]), read_json(files["test"])
    inputs = Inputs.read(files["inputs"], files["table"], list(train["classes"]))
    tests = {int(entry["fold"]): list(entry["test"]) for entry in test["folds"]}
    return Task(
        name=name,
        protocol=chosen,
        classes=list(train["classes"]),
        input_shape=inputs.part([]).input_shape,
        folds=[_fold(entry, inputs, tests) for entry in train["folds"]],
        groups=[
            TaskGroup(int(entry["group"]), tuple(entry["folds"]), *_parts(entry, inputs)) for entry in train["groups"]
        ],
        rendered=task.is_rendered,
        _inputs=inputs,
        _tests=tests,
        _unit_groups=dict(train.get("unit_groups") or {}),
        _study=study,
        _files=files,
    )


def _parts(entry: Mapping[str, Any], inputs: Inputs) -> tuple[ArrayPart, ArrayPart, ArrayPart]:
    weights, selection, inner = (inputs.part(list(entry[k])) for k in ("weights", "selection", "inner_validation"))
    return weights, selection, inner


def _fold(entry: Mapping[str, Any], inputs: Inputs, tests: Mapping[int, list[str]]) -> TaskFold:
    fold = int(entry["fold"])
    return TaskFold(
        fold, str(entry["name"]), int(entry["group"]), *_parts(entry, inputs), inputs.part(tests[fold]).images
    )
