"""Predict the test samples of all folds: the only place that reads test ids."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.config import MethodConfig
from fernas.core.errors import ContractError, ScienceError
from fernas.core.io import read_json, write_bytes, write_parquet
from fernas.core.run_log import read_status
from fernas.training.oracle import ANSWER, CHOSEN, EPOCH
from fernas.training.run import fold_architectures, parse_recipe

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from fernas.core.architecture import Architecture
    from fernas.learn.arrays import Inputs

logger = logging.getLogger(__name__)


def run_predict(
    *,
    inputs_npy: Path | str,
    inputs_table: Path | str,
    folds_train_json: Path | str,
    folds_test_json: Path | str,
    architectures: list[Path],
    shard_dirs: list[Path],
    method: MethodConfig | dict[str, Any],
    out: Path | str,
    scope: str = "per_group",
    threads: int = 1,
    device: str = "cpu",
) -> str:
    """Write predictions.parquet for all folds; an empty file when a shard or its search failed.

    Args:
        inputs_npy: the view's array.
        inputs_table: its table.
        folds_train_json: classes, and the group of each fold.
        folds_test_json: the test ids of each fold.
        architectures: in the order of the groups (of the folds for scope `per_fold`).
        shard_dirs: the shards' folders in order; shard j of n holds the folds k with k mod n = j.
        method: the method's section (its recipe says how images are scaled).
        out: the parquet file.
        scope: scope of the searches.
        threads: torch threads.
        device: auto, cpu or cuda.

    Returns:
        ok or failed.
    """
    out = Path(out)
    for folder in shard_dirs:
        status = read_status(folder)
        if status["status"] != "ok":
            logger.error("no predictions: %s: %s", folder, status["reason"])
            write_bytes(out, b"")
            return "failed"
    from fernas.learn.arrays import Inputs
    from fernas.learn.runtime import prepare

    _, options = parse_recipe(method)
    document, test = read_json(folds_train_json), read_json(folds_test_json)
    inputs = Inputs.read(inputs_npy, inputs_table, list(document["classes"]))
    folds = [int(entry["fold"]) for entry in document["folds"]]
    try:
        found = fold_architectures(document, folds, [Path(path) for path in architectures], scope)
    except ScienceError as error:
        logger.error("no predictions: %s", error)
        write_bytes(out, b"")
        return "failed"
    prepare(0, threads, device)
    tests = {int(entry["fold"]): list(entry["test"]) for entry in test["folds"]}
    frame = predict_folds(inputs, found, tests, [Path(path) for path in shard_dirs], options.augment, device)
    groups = document.get("unit_groups") or {}
    frame.insert(3, "group", [groups.get(sample) for sample in frame["sample_id"]])
    write_parquet(out, frame)
    return "ok"


def predict_folds(
    inputs: "Inputs",
    architectures: "dict[int, Architecture]",
    tests: dict[int, list[str]],
    shard_dirs: list[Path],
    augment: Any,
    device: str = "cpu",
) -> "pd.DataFrame":
    """Probabilities of every fold's test samples by that fold's network.

    Returns:
        sample_id, subject, dataset, fold, label (class name), face_status, p_<class>...; sorted by fold, then in the
        folds' own order of samples. Where training kept copies, `oracle` and `oracle_epoch` too (see training.oracle).
    """
    import pandas as pd

    from fernas.learn.evaluate import predict_probabilities
    from fernas.learn.runtime import pick_device

    where = pick_device(device)
    frames = []
    for fold in sorted(tests):
        if not tests[fold]:
            continue
        part = inputs.part(tests[fold])
        architecture, models = architectures[fold], shard_dirs[fold % len(shard_dirs)] / "models.safetensors"
        net = load_fold(architecture, models, fold).to(where)
        probabilities = predict_probabilities(net, part, augment, where)
        frame = _frame(inputs, tests[fold], fold, probabilities)
        if epochs := copied_epochs(models, fold):
            others = {
                epoch: predict_probabilities(
                    load_fold(architecture, models, fold, epoch).to(where), part, augment, where
                )
                for epoch in epochs
            }
            frame[ANSWER], frame[EPOCH] = oracle(inputs.classes, part.labels, {CHOSEN: probabilities, **others})
        frames.append(frame)
    if not frames:
        raise ContractError("folds.test.json: no fold has a test sample")
    return pd.concat(frames, ignore_index=True)


def oracle(classes: list[str], labels: "np.ndarray", found: "dict[int, np.ndarray]") -> tuple[list[str], int]:
    """The answers of the model with the highest UAR on these test samples, and its epoch; the first of equals.

    Args:
        classes: class names.
        labels: true labels of the test samples (N,).
        found: epoch (`CHOSEN` for the model that counts) -> probabilities (N, K).
    """
    from fernas.metrics import uar

    scores = {epoch: float(uar(labels, p.argmax(1), len(classes))) for epoch, p in found.items()}
    best = max(scores, key=lambda epoch: scores[epoch])
    return [classes[k] for k in found[best].argmax(1)], best


def copied_epochs(models: Path, fold: int) -> list[int]:
    """The epochs after which a fold's network was kept (`oracle_every`), in order."""
    from safetensors import safe_open

    with safe_open(models, framework="pt") as file:
        heads = {name.partition("/")[0] for name in file.keys()}  # noqa: SIM118 - not a mapping
    return sorted(int(head.partition("@")[2]) for head in heads if head.startswith(f"fold{fold}@"))


def load_fold(architecture: "Architecture", models: Path, fold: int, epoch: int = CHOSEN) -> Any:
    """The trained network of one fold, or its copy after an epoch, in evaluation mode."""
    import torch
    from safetensors import safe_open

    from fernas.spaces.networks import build_network

    net = build_network(architecture)
    prefix = f"fold{fold}/" if epoch == CHOSEN else f"fold{fold}@{epoch}/"
    with safe_open(models, framework="pt") as file:
        names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
        if not names:
            raise ContractError(f"{models}: holds no model of fold {fold}")
        net.load_state_dict({name.removeprefix(prefix): file.get_tensor(name) for name in names})
    return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]


def _frame(inputs: "Inputs", ids: list[str], fold: int, probabilities: Any) -> "pd.DataFrame":
    import pandas as pd

    lines = inputs.table.set_index("sample_id").loc[ids].reset_index()
    columns: dict[str, Any] = {"sample_id": lines["sample_id"]}
    for name in ("subject", "dataset"):
        columns[name] = lines[name] if name in lines else None
    columns["fold"] = fold
    columns["label"] = [inputs.classes[index] for index in lines["class_index"]]
    columns["face_status"] = lines["face_status"] if "face_status" in lines else None
    for index, name in enumerate(inputs.classes):
        columns[f"p_{name}"] = probabilities[:, index]
    return pd.DataFrame(columns)
