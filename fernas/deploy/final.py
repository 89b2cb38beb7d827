"""A model on all subjects, for use: trained like a fold whose train split is the whole dataset.

No subject is left to test it on, so its accuracy is that of the same method in cross-validation, and the card says so.
"""

import dataclasses
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core.architecture import architecture_hash, read_architecture, write_architecture
from fernas.core.config import FacesConfig, MethodConfig
from fernas.core.errors import ScienceError
from fernas.core.io import atomic_path, read_json, read_parquet, write_json
from fernas.core.run_log import read_status
from fernas.core.seeds import derive_seed
from fernas.deploy.preprocessing import Preprocessing, shipped_crops
from fernas.learn.job import JobInputs
from fernas.metrics import all_metrics
from fernas.training.run import Searches, TrainSpec, load_recipe, run_training

FOLD_NAME = "everybody"


@dataclass(frozen=True)
class Evidence:
    """What is known of a method: its names, and the scores.json of its repetitions in cross-validation."""

    task: str
    protocol: str
    method: str
    scores: tuple[Path, ...]


@dataclass(frozen=True)
class ImageSource:
    """How the images of a task are made: the view's section, the section `faces`, and the faces table itself."""

    view: dict[str, Any]
    faces: FacesConfig
    faces_table: Path


def train_final(
    job: JobInputs, method: MethodConfig, architecture: Path, evidence: Evidence, image: ImageSource
) -> None:
    """Train on all subjects; writes model.safetensors, architecture.json, preprocessing.json, card.json.

    The train split is the `whole` part of the folds file: weights and selection parts are learned from, inner
    validation may choose the epoch. A killed training continues.

    Args:
        job: inputs, outputs and base seed.
        method: the method's section (recipe and recipe_options are read).
        architecture: of a search on all subjects, or of one that reads no data.
        evidence: for the card.
        image: how the images of `job.inputs` were made.

    Raises:
        ScienceError: the search or the training failed; the text is its reason.
    """
    if not architecture.stat().st_size:
        raise ScienceError(f"no final model: the search failed: {read_status(architecture.parent).get('reason', '')}")
    document = job.read_folds()
    work = job.work_dir / f"{job.run_key}-final"
    # The code that trains a shard trains it too: a folds file with one fold whose train split is everything.
    one_fold = {"fold": 0, "name": FOLD_NAME, "group": 0, **document["whole"]}
    write_json(work / "folds.train.json", {**document, "folds": [one_fold]})
    seed = derive_seed(job.seed, "final", evidence.task, evidence.protocol, evidence.method)
    training = dataclasses.replace(job, folds=work / "folds.train.json", out_dir=work, seed=seed)
    if run_training(training, TrainSpec(method, Searches((architecture,), "whole_dataset"))) != "ok":
        raise ScienceError(f"no final model: {read_status(work).get('reason', '')}")
    _, options = load_recipe(method)
    _write_model(work, job.out_dir)
    write_architecture(job.out_dir / "architecture.json", read_architecture(architecture))
    record = Preprocessing(
        classes=document["classes"], scale=options.augment.scale, view=image.view, faces=image.faces,
        crops=shipped_crops(_sources_of(job.table), read_parquet(image.faces_table)),
    )  # fmt: skip
    write_json(job.out_dir / "preprocessing.json", record.model_dump(mode="json"))
    write_json(job.out_dir / "card.json", _card(evidence, document, architecture))
    # last, since the outputs above are made from it
    shutil.rmtree(work)


def _sources_of(table: Path) -> list[str]:
    """The row of the faces table of each image that a network can see."""
    inputs = read_parquet(table)
    return [str(name) for name in inputs.loc[inputs["excluded"].isna(), "source_id"]]


def _write_model(work: Path, out: Path) -> None:
    from safetensors.torch import load_file, save_file

    # a shard names its tensors by fold, this model has one network alone
    prefix = "fold0/"
    tensors = load_file(work / "models.safetensors")
    with atomic_path(out / "model.safetensors") as temporary:
        save_file({name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}, temporary)


def _card(evidence: Evidence, document: dict[str, Any], architecture: Path) -> dict[str, Any]:
    """Where the model comes from and what may be said of its accuracy."""
    scores = [read_json(path) for path in evidence.scores if path.stat().st_size]
    whole = document["whole"]
    card: dict[str, Any] = {
        "task": evidence.task,
        "protocol": evidence.protocol,
        "method": evidence.method,
        "trained_on": "all subjects",
        "samples": sum(len(whole[part]) for part in ("weights", "selection", "inner_validation")),
        "classes": document["classes"],
        "architecture": architecture_hash(read_architecture(architecture)),
        "rendered": evidence.task.endswith("-rendered"),
        "accuracy_is": f"of this method in cross-validation ({evidence.protocol}, {len(scores)} repetitions), "
        "whose folds never test a subject that they learned from; this very model has no test set",
    }
    for metric in all_metrics():
        values = [float(entry[metric.name]) for entry in scores if entry.get(metric.name) is not None]
        card[metric.name] = float(np.mean(values)) if values else None
    intervals = [(entry.get("interval") or {}).get("uar") for entry in scores]
    card["uar_interval"] = intervals[0] if len(intervals) == 1 else None
    return card
