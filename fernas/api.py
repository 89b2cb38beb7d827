"""fernas from Python: a task as arrays, folds without their test labels, a budget meter, and the tables' scores.

    task = fernas.load_task("ckplus-7n")

reads what the workflow made (`snakemake --cores all ckplus`, or only the task's `audit.json`). docs/python.md has an
example method of forty lines.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.core.budget import BudgetMeter
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import read_json
from fernas.learn.arrays import ArrayPart, Inputs
from fernas.study import Study
from fernas.study.layout import FoldsFolder, InputsFolder

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Probabilities = Mapping[int, np.ndarray] | Sequence[np.ndarray]  # one array (N, classes) per fold


@dataclass(frozen=True)
class TaskFold:
    """One fold: the parts of its train split, and the images that it is tested on, without their labels.

    Attributes:
        fold: its number.
        name: what it tests, for example a subject.
        fold_group: the fold group whose search serves it.
        weights, selection, inner_validation: `ArrayPart`s (`.images` uint8 (N, H, W, C), `.labels` int64 (N,), `.ids`,
            `.subjects`): for gradients, for the choice of an architecture, for the choice of an epoch.
        test: images uint8 (N, H, W, C).
    """

    fold: int
    name: str
    fold_group: int
    weights: ArrayPart
    selection: ArrayPart
    inner_validation: ArrayPart
    test: np.ndarray

    @property
    def train(self) -> ArrayPart:
        """Weights and selection together: what a final network is trained on."""
        return self.weights.join(self.selection)


@dataclass(frozen=True)
class FoldGroup:
    """Folds that share one search, and the parts that it may use; they hold no test subject of any of these folds."""

    number: int
    folds: tuple[int, ...]
    weights: ArrayPart
    selection: ArrayPart
    inner_validation: ArrayPart


@dataclass(frozen=True)
class PreparedTask:
    """A task of a study under a protocol.

    Attributes:
        name, protocol: names in the config.
        classes: class names in the order of the labels.
        input_shape: (C, H, W) of one image.
        folds, fold_groups: see `TaskFold` and `FoldGroup`.
        rendered: whether the faces are synthetic.
    """

    name: str
    protocol: str
    classes: list[str]
    input_shape: tuple[int, int, int]
    folds: list[TaskFold]
    fold_groups: list[FoldGroup]
    rendered: bool
    _inputs: Inputs = field(repr=False)
    _test_ids: dict[int, list[str]] = field(repr=False)  # fold -> sample ids
    _duplicate_sets: dict[str, str] = field(repr=False)  # sample id -> unit of resampling, without subjects
    _study: Study = field(repr=False)
    _files: tuple[InputsFolder, FoldsFolder] = field(repr=False)

    def budget(self, limit: float | str | None = None, fold_group: int = 0) -> BudgetMeter:
        """A meter of multiply-accumulates: `meter.spend(macs_per_image, images, backward=True)`, `meter.exhausted`.

        Args:
            limit: what may be spent; or the name of a method of the study, whose search budget on this fold group is
                taken; or None for a meter that only measures.
            fold_group: the fold group that is searched for.
        """
        if not isinstance(limit, str):
            return BudgetMeter(limit)
        from fernas.search.run import SearchSpec, search_budget_for

        inputs, folds = self._files
        spec = SearchSpec(self._study.methods[limit], "per_group", fold_group)
        return BudgetMeter(search_budget_for(spec, inputs.inputs, folds.train))

    def predictions(self, probabilities: Probabilities) -> "pd.DataFrame":
        """The predictions of all folds as a table, which `score`, `fernas score` and `fernas compare` read.

        Args:
            probabilities: fold -> (N, classes), rows that sum to one, in the order of the fold's `test`.

        Raises:
            ContractError: a fold is missing or has another shape.
        """
        import pandas as pd

        by_fold = dict(probabilities if isinstance(probabilities, Mapping) else enumerate(probabilities))
        rows = self._inputs.table.set_index("sample_id", drop=False)
        frames = []
        for fold, ids in sorted(self._test_ids.items()):
            values = np.asarray(by_fold.get(fold, np.empty((0, 0))), np.float64)
            expected = (len(ids), len(self.classes))
            if values.shape != expected:
                raise ContractError(
                    f"predictions: fold {fold}: got an array of shape {values.shape}, expected {expected} "
                    "(its test images, the classes)"
                )
            tested = rows.loc[ids].reset_index(drop=True)
            frame = tested[[name for name in ("sample_id", "subject", "dataset") if name in tested]].copy()
            frame["group"] = [self._duplicate_sets.get(name) for name in ids]
            frame["fold"] = fold
            frame["label"] = [self.classes[index] for index in tested["class_index"]]
            frame["face_status"] = tested["face_status"] if "face_status" in tested else None
            for index, name in enumerate(self.classes):
                frame[f"p_{name}"] = values[:, index]
            frames.append(frame)
        return pd.concat(frames, ignore_index=True)

    def score(self, probabilities: Probabilities) -> dict[str, Any]:
        """All metrics pooled over all folds, with confidence intervals over subjects, as in the tables."""
        from fernas.scoring.scores import score_predictions

        options = self._study.config.scoring.model_dump()
        return score_predictions(self.predictions(probabilities), self.classes, **options)


def load_task(
    name: str,
    protocol: str | None = None,
    config: "Path | str | Study" = "config.yaml",
    view: str | None = None,
    results: "Path | str | None" = None,
) -> PreparedTask:
    """A task that the workflow has prepared.

    Args:
        name: its name in the config, for example `ckplus-7n`.
        protocol: its name in the config; by default that of the task's first entry in the study.
        config: the study, or the path of its config file.
        view: what networks see; the task's own by default.
        results: the results folder; the config's by default.

    Raises:
        ConfigError: the config has no such task, protocol or view.
        DataError: the task is not prepared yet; the message names the command that prepares it.
    """
    study = config if isinstance(config, Study) else Study.load(config)
    if results is not None:
        study = study.at(results)
    task = study.tasks[name]
    chosen = protocol or next((entry.protocol for entry in study.config.study if entry.task == name), None)
    if chosen is None:
        raise ConfigError(
            f"task {name}: in no study entry, so a protocol is needed; known: {', '.join(study.protocols)}"
        )
    for section, key in ((study.protocols, chosen), (study.views, view or task.section.view)):
        section[key]  # raises for an unknown name, before any file is looked for
    inputs, folds = task.files.inputs(view or task.section.view), task.folds(chosen)
    for path in (inputs.inputs, inputs.table, folds.train, folds.test, folds.audit):
        if not path.is_file():
            command = f"snakemake --cores all {inputs.inputs} {folds.audit}"
            raise DataError(f"{path}: no such file; expected a prepared task: {command}")
    train, test = read_json(folds.train), read_json(folds.test)
    arrays = Inputs.read(inputs.inputs, inputs.table, list(train["classes"]))
    test_ids = {int(entry["fold"]): list(entry["test"]) for entry in test["folds"]}
    return PreparedTask(
        name=name,
        protocol=chosen,
        classes=list(train["classes"]),
        input_shape=arrays.part([]).input_shape,
        folds=[_fold(entry, arrays, test_ids) for entry in train["folds"]],
        fold_groups=[_fold_group(entry, arrays) for entry in train["groups"]],
        rendered=task.is_rendered,
        _inputs=arrays,
        _test_ids=test_ids,
        _duplicate_sets=dict(train.get("unit_groups") or {}),
        _study=study,
        _files=(inputs, folds),
    )


def _parts(entry: Mapping[str, Any], inputs: Inputs) -> tuple[ArrayPart, ArrayPart, ArrayPart]:
    weights, selection, inner = (inputs.part(list(entry[k])) for k in ("weights", "selection", "inner_validation"))
    return weights, selection, inner


def _fold_group(entry: Mapping[str, Any], inputs: Inputs) -> FoldGroup:
    return FoldGroup(int(entry["group"]), tuple(entry["folds"]), *_parts(entry, inputs))


def _fold(entry: Mapping[str, Any], inputs: Inputs, test_ids: Mapping[int, list[str]]) -> TaskFold:
    fold, fold_group = int(entry["fold"]), int(entry["group"])
    return TaskFold(fold, str(entry["name"]), fold_group, *_parts(entry, inputs), inputs.part(test_ids[fold]).images)
