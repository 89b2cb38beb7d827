"""A model on all subjects, for use: trained like a fold whose training side is everybody.

Nobody is left to test it on, so its accuracy is that of the same method in cross-validation, and the card says so.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core.architecture import architecture_hash, read_architecture, write_architecture
from fernas.core.errors import ScienceError
from fernas.core.io import atomic_path, read_json, write_json
from fernas.core.run_log import read_status
from fernas.core.seeds import derive_seed
from fernas.metrics import all_metrics
from fernas.training.run import parse_recipe, run_training

EVERYBODY = "everybody"


def train_final(
    *,
    inputs_npy: Path,
    inputs_table: Path,
    folds_train_json: Path,
    architecture: Path,
    scores: list[Path],
    method: dict[str, Any],
    before: dict[str, Any],
    names: dict[str, str],
    seed: int,
    out_dir: Path,
    work_dir: Path,
    run_key: str,
    threads: int = 1,
    device: str = "cpu",
    every_s: float = 60.0,
) -> None:
    """Train on all subjects; writes model.safetensors, architecture.json, preprocessing.json, card.json.

    The folds file's `whole` part is the training side: weights and selection parts are learned from, inner validation
    may choose the epoch. A killed training continues.

    Args:
        inputs_npy: the view's array.
        inputs_table: its table.
        folds_train_json: the protocol's training sides.
        architecture: of a search on all subjects, or of one that reads no data.
        scores: scores.json of the method's repetitions in cross-validation.
        method: the method's section (recipe and recipe_options are read).
        before: what an image goes through: `view`, `faces`.
        names: task, protocol, method.
        seed: base seed.
        out_dir: where the outputs go.
        work_dir: where checkpoints go.
        run_key: the job's own folder there.
        threads: torch threads.
        device: auto, cpu or cuda.
        every_s: longest time between two checkpoints.

    Raises:
        ScienceError: the search or the training failed; the text is its reason.
    """
    if not architecture.stat().st_size:
        raise ScienceError(f"no final model: the search failed: {read_status(architecture.parent).get('reason', '')}")
    document = read_json(folds_train_json)
    work = work_dir / f"{run_key}-final"
    alone = {**document, "folds": [{"fold": 0, "name": EVERYBODY, "group": 0, **document["whole"]}]}
    write_json(work / "folds.train.json", alone)
    status = run_training(
        inputs_npy=inputs_npy,
        inputs_table=inputs_table,
        folds_train_json=work / "folds.train.json",
        architectures=[architecture],
        method=method,
        scope="whole_dataset",
        seed=derive_seed(seed, "final", names["task"], names["protocol"], names["method"]),
        shard=0,
        shards=1,
        out_dir=work,
        work_dir=work_dir,
        run_key=run_key,
        threads=threads,
        device=device,
        every_s=every_s,
    )
    if status != "ok":
        raise ScienceError(f"no final model: {read_status(work).get('reason', '')}")
    _publish(work, out_dir, architecture, method, before, document)
    write_json(out_dir / "card.json", _card(scores, names, document, architecture))
    shutil.rmtree(work)


def _publish(
    work: Path, out: Path, architecture: Path, method: dict[str, Any], before: dict[str, Any], document: dict[str, Any]
) -> None:
    from safetensors.torch import load_file, save_file

    prefix = "fold0/"
    tensors = load_file(work / "models.safetensors")
    with atomic_path(out / "model.safetensors") as temporary:
        save_file({name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}, temporary)
    write_architecture(out / "architecture.json", read_architecture(architecture))
    _, options = parse_recipe(method)
    write_json(
        out / "preprocessing.json",
        {"classes": document["classes"], "scale": options.augment.scale, **before},
    )


def _card(scores: list[Path], names: dict[str, str], document: dict[str, Any], architecture: Path) -> dict[str, Any]:
    """Where the model comes from and what may be said of its accuracy."""
    found = [read_json(path) for path in scores if path.stat().st_size]
    whole = document["whole"]
    card: dict[str, Any] = {
        **names,
        "trained_on": "all subjects",
        "samples": sum(len(whole[part]) for part in ("weights", "selection", "inner_validation")),
        "classes": document["classes"],
        "architecture": architecture_hash(read_architecture(architecture)),
        "rendered": names["task"].endswith("-rendered"),
        "accuracy_is": f"of this method in cross-validation ({names['protocol']}, {len(found)} repetitions), "
        "whose folds never test a subject that they learned from; this very model has no test set",
    }
    for metric in all_metrics():
        values = [float(entry[metric.name]) for entry in found if entry.get(metric.name) is not None]
        card[metric.name] = float(np.mean(values)) if values else None
    intervals = [(entry.get("interval") or {}).get("uar") for entry in found]
    card["uar_interval"] = intervals[0] if len(intervals) == 1 else None
    return card
