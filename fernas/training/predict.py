"""Predict the test samples of all folds: the only place that reads test ids."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fernas.core.config import MethodConfig
from fernas.core.errors import ContractError, ScienceError
from fernas.core.io import read_json, write_bytes, write_parquet
from fernas.core.run_log import read_status
from fernas.training.oracle import CHOSEN, CLASS_COLUMN, EPOCH_COLUMN, best_on_test
from fernas.training.run import Searches, load_recipe

if TYPE_CHECKING:
    import pandas as pd
    import torch
    from torch import nn

    from fernas.core.architecture import Architecture
    from fernas.learn.arrays import Inputs
    from fernas.learn.config import AugmentConfig

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PredictInputs:
    """What the prediction of a training reads, and how it runs.

    Attributes:
        inputs: the view's array.
        table: its table.
        folds: the train splits, for the classes and the fold group of each fold.
        test_folds: the test ids of each fold.
        searches: the searches that the folds' networks come from.
        shard_dirs: the shards' folders in order; shard j of n holds the folds k with k mod n = j.
        threads: torch threads.
        device: auto, cpu or cuda.
    """

    inputs: Path
    table: Path
    folds: Path
    test_folds: Path
    searches: Searches
    shard_dirs: tuple[Path, ...]
    threads: int = 1
    device: str = "cpu"


def run_predict(job: PredictInputs, method: MethodConfig, out: Path) -> str:
    """Write predictions.parquet for all folds; an empty file when a shard or its search failed.

    Returns:
        ok or failed.
    """
    _, options = load_recipe(method)
    document = read_json(job.folds)
    try:
        networks = _trained_networks(job, document)
    except ScienceError as error:
        logger.error("no predictions: %s", error)
        write_bytes(out, b"")
        return "failed"
    write_parquet(out, _predictions(job, document, networks, options.augment))
    return "ok"


@dataclass(frozen=True)
class FoldNetworks:
    """The trained networks of all folds.

    Attributes:
        architectures: by fold.
        shard_dirs: the shards' folders in order, each with its models.safetensors.
    """

    architectures: "dict[int, Architecture]"
    shard_dirs: tuple[Path, ...]

    def load(self, fold: int, epoch: int = CHOSEN) -> "nn.Module":
        """The network of one fold, or its copy after an epoch, in evaluation mode.

        Raises:
            ContractError: the shard's file does not hold it.
        """
        import torch
        from safetensors import safe_open

        from fernas.spaces.networks import build_network

        net, path = build_network(self.architectures[fold]), self._path(fold)
        prefix = f"fold{fold}/" if epoch == CHOSEN else f"fold{fold}@{epoch}/"
        with safe_open(path, framework="pt") as file:
            names = [name for name in file.keys() if name.startswith(prefix)]  # noqa: SIM118 - not a mapping
            if not names:
                raise ContractError(f"{path}: holds no model of fold {fold}")
            net.load_state_dict({name.removeprefix(prefix): file.get_tensor(name) for name in names})
        # the memory layout of training: another one rounds otherwise
        return net.to(memory_format=torch.channels_last).eval()  # type: ignore[call-overload]

    def copied_epochs(self, fold: int) -> list[int]:
        """The epochs after which a fold's network was copied (`oracle_every`), in order."""
        from safetensors import safe_open

        with safe_open(self._path(fold), framework="pt") as file:
            heads = {name.partition("/")[0] for name in file.keys()}  # noqa: SIM118 - not a mapping
        return sorted(int(head.partition("@")[2]) for head in heads if head.startswith(f"fold{fold}@"))

    def _path(self, fold: int) -> Path:
        return self.shard_dirs[fold % len(self.shard_dirs)] / "models.safetensors"


def _trained_networks(job: PredictInputs, document: dict[str, Any]) -> FoldNetworks:
    for folder in job.shard_dirs:
        status = read_status(folder)
        if status["status"] != "ok":
            raise ScienceError(f"{folder}: {status['reason']}")
    folds = [int(entry["fold"]) for entry in document["folds"]]
    return FoldNetworks(job.searches.of_folds(document, folds), job.shard_dirs)


def _predictions(
    job: PredictInputs, document: dict[str, Any], networks: FoldNetworks, augment: "AugmentConfig"
) -> "pd.DataFrame":
    from fernas.learn.arrays import Inputs
    from fernas.learn.runtime import prepare

    inputs = Inputs.read(job.inputs, job.table, list(document["classes"]))
    device = prepare(0, job.threads, job.device)  # prediction draws nothing; any seed will do
    tests = {int(entry["fold"]): list(entry["test"]) for entry in read_json(job.test_folds)["folds"]}
    frame = predict_folds(inputs, networks, tests, augment, device)
    duplicate_sets = document.get("unit_groups") or {}
    # the column keeps the name of the data contract; scoring takes it for its intervals where subjects are unknown
    frame.insert(3, "group", [duplicate_sets.get(sample) for sample in frame["sample_id"]])
    return frame


def predict_folds(
    inputs: "Inputs",
    networks: FoldNetworks,
    tests: dict[int, list[str]],
    augment: "AugmentConfig",
    device: "torch.device",
) -> "pd.DataFrame":
    """Probabilities of every fold's test samples by that fold's network.

    Returns:
        sample_id, subject, dataset, fold, label (class name), face_status, p_<class>...; sorted by fold, then in the
        folds' own order of samples. Where training stored copies: `oracle`, `oracle_epoch` (see training.oracle).

    Raises:
        ContractError: no fold has a test sample.
    """
    import pandas as pd

    from fernas.learn.evaluate import predict_probabilities

    frames = []
    for fold, ids in sorted(tests.items()):
        if not ids:
            continue
        part = inputs.part(ids)
        by_epoch = {
            epoch: predict_probabilities(networks.load(fold, epoch).to(device), part, augment, device)
            for epoch in (CHOSEN, *networks.copied_epochs(fold))
        }
        frame = _frame(inputs, ids, fold, by_epoch[CHOSEN])
        if len(by_epoch) > 1:
            frame[CLASS_COLUMN], frame[EPOCH_COLUMN] = best_on_test(inputs.classes, part.labels, by_epoch)
        frames.append(frame)
    if not frames:
        raise ContractError("folds.test.json: no fold has a test sample")
    return pd.concat(frames, ignore_index=True)


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
