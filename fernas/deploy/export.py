"""A final model as one ONNX file that holds all it needs: scaling, network, softmax, and what an image goes through.

Input `images`: uint8 (N, H, W, C), aligned faces as the model's view makes them; a model on face patches has a second
one, `noses`: float32 (N, 2), nose tips (x, y) in their pixels, NaN where unknown (the training faces' mean stands in).
Output `probabilities`: float32 (N, classes). Classes, view, faces and card are json in the file's metadata. The file
is checked before it is written: its probabilities on random images must be those of torch.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core import plugins
from fernas.core.architecture import read_architecture
from fernas.core.errors import ContractError, DataError
from fernas.core.io import atomic_path, read_json
from fernas.learn.config import AugmentConfig

FILES = ("model.safetensors", "architecture.json", "preprocessing.json")
OPSET = 18
TOLERANCE = 1e-4  # of probabilities
CHECKED = 8  # random images


def export_onnx(folder: Path | str, out: Path | str) -> dict[str, Any]:
    """Write the model of a folder (`results/final/<task>/<protocol>/<method>`) as ONNX.

    Returns:
        `model`, `classes`, `input` (H, W, C), `bytes`, `largest_difference` of probabilities between ONNX and torch on
        random images, and `checked` (how many images).

    Raises:
        DataError: the folder holds no final model.
        ContractError: the probabilities of ONNX and torch differ.
    """
    import onnx

    source = Path(folder)
    missing = [name for name in FILES if not (source / name).is_file()]
    if missing:
        raise DataError(
            f"{source}: no {missing[0]}, expected a model on all subjects (results/final/<task>/<protocol>/<method>): "
            "list it under the key `final` of the config and run snakemake --cores all final"
        )
    preprocessing = read_json(source / "preprocessing.json")
    model, shape = _wrapped(source, preprocessing)
    batch = _random_batch(shape, model.needs_noses)
    card = read_json(source / "card.json") if (source / "card.json").is_file() else {}
    with atomic_path(out) as temporary:
        _write_onnx(model, batch, temporary)
        document = onnx.load(str(temporary))
        for key, value in (("preprocessing", preprocessing), ("card", card)):
            entry = document.metadata_props.add()
            entry.key, entry.value = f"fernas.{key}", json.dumps(value, sort_keys=True)
        onnx.checker.check_model(document)
        onnx.save(document, str(temporary))
        # before the block ends: a file that fails the check never gets its name
        difference = _largest_difference(temporary, model, batch)
        if difference > TOLERANCE:
            raise ContractError(f"{out}: ONNX and torch differ by {difference:.3g}, expected at most {TOLERANCE:g}")
        size = temporary.stat().st_size
    return {
        "model": str(out),
        "classes": list(preprocessing["classes"]),
        "input": list(shape),
        "bytes": size,
        "largest_difference": difference,
        "checked": CHECKED,
    }


def _random_batch(shape: tuple[int, int, int], noses: bool) -> dict[str, Any]:
    """Random images of a shape (H, W, C), and nose tips where the network needs them, every third unknown."""
    import torch

    generator = torch.Generator().manual_seed(0)
    batch = {"images": torch.randint(0, 256, (CHECKED, *shape), generator=generator).to(torch.uint8)}
    if noses:
        height, width, _ = shape
        batch["noses"] = torch.rand(CHECKED, 2, generator=generator) * torch.tensor([width, height])
        batch["noses"][::3] = torch.nan
    return batch


def _write_onnx(model: Any, batch: dict[str, Any], path: Path) -> None:
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            model,
            tuple(values[:2] for values in batch.values()),
            str(path),
            dynamo=False,
            opset_version=OPSET,
            input_names=list(batch),
            output_names=["probabilities"],
            dynamic_axes={name: {0: "n"} for name in (*batch, "probabilities")},
        )


def _wrapped(source: Path, preprocessing: dict[str, Any]) -> tuple[Any, tuple[int, int, int]]:
    """The network between scaling and softmax, in evaluation mode, and (H, W, C) of its images."""
    import torch
    from safetensors.torch import load_file

    from fernas.learn.augment import evaluation_view
    from fernas.spaces.networks import build_network

    architecture = read_architecture(source / "architecture.json")
    if plugins.load("views", preprocessing["view"]["kind"]).holds_features:
        raise DataError(f"{source}: a model on features is not exported, expected one on images")
    if architecture.network is None:
        raise DataError(f"{source}/architecture.json: no network block, expected the size of the trained network")
    net = build_network(architecture)
    net.load_state_dict(load_file(source / "model.safetensors"))
    options = AugmentConfig(scale=preprocessing["scale"])

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            self.needs_noses = bool(getattr(net, "needs_noses", False))

        def forward(self, images: torch.Tensor, noses: torch.Tensor | None = None) -> torch.Tensor:
            scaled = evaluation_view(images, options)
            return torch.softmax(self.net(scaled, noses) if self.needs_noses else self.net(scaled), -1)

    assert architecture.network.input is not None
    channels, height, width = architecture.network.input
    return Model().eval(), (height, width, channels)


def _largest_difference(path: Path, model: Any, batch: dict[str, Any]) -> float:
    """The largest difference of probabilities between the file and torch, in batches of different sizes."""
    import torch

    session = open_onnx(path)
    with torch.no_grad():
        expected = model(*batch.values()).numpy()
    # Several sizes prove that the first axis stayed free: an export traces with one size and can fix it silently.
    cuts = (slice(0, 1), slice(1, 4), slice(4, None))
    parts = [{name: values[cut].numpy() for name, values in batch.items()} for cut in cuts]
    probabilities = np.concatenate([session.run(None, part)[0] for part in parts])
    return float(np.abs(probabilities - expected).max())


def open_onnx(path: Path | str) -> Any:
    """An onnxruntime session on the processor, one thread.

    Raises:
        DataError: the file is absent or no ONNX model.
    """
    import onnxruntime

    if not Path(path).is_file():
        raise DataError(f"{path}: no such file, expected a model that `fernas export` wrote")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001 - onnxruntime's own errors have no common class of their own
        raise DataError(f"{path}: no ONNX model ({str(error).splitlines()[0][:200]})") from error
