"""A final model as one ONNX file that holds all it needs: scaling, network, softmax, and what a picture goes through.

Input `pictures`: uint8 (N, H, W, C), aligned faces as the model's view makes them; output `probabilities`: float32
(N, classes). Classes, view, faces and card stand in the file's metadata as json. The file is checked before it is
written: its answers on random pictures must be those of torch.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core.architecture import read_architecture
from fernas.core.errors import ContractError, DataError
from fernas.core.io import atomic_path, read_json
from fernas.learn.config import AugmentConfig

NEEDED = ("model.safetensors", "architecture.json", "preprocessing.json")
OPSET = 18
TOLERANCE = 1e-4
CHECKED = 8


def export_onnx(folder: Path | str, out: Path | str) -> dict[str, Any]:
    """Write the model of a folder (`results/final/<task>/<protocol>/<method>`) as ONNX.

    Returns:
        `model`, `classes`, `input` (H, W, C), `bytes`, `largest_difference` of probabilities between ONNX and torch on
        random pictures, and `checked` (how many pictures).

    Raises:
        DataError: the folder holds no final model.
        ContractError: ONNX answers otherwise than torch.
    """
    import onnx
    import torch

    source = Path(folder)
    missing = [name for name in NEEDED if not (source / name).is_file()]
    if missing:
        raise DataError(
            f"{source}: no {missing[0]}, expected a model on all subjects (results/final/<task>/<protocol>/<method>): "
            "list it under the key `final` of the config and run snakemake --cores all final"
        )
    before = read_json(source / "preprocessing.json")
    model, shape = _wrapped(source, before)
    pictures = torch.randint(0, 256, (CHECKED, *shape), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    with atomic_path(out) as temporary:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model,
                (pictures[:2],),
                str(temporary),
                dynamo=False,
                opset_version=OPSET,
                input_names=["pictures"],
                output_names=["probabilities"],
                dynamic_axes={"pictures": {0: "n"}, "probabilities": {0: "n"}},
            )
        document = onnx.load(str(temporary))
        card = read_json(source / "card.json") if (source / "card.json").is_file() else {}
        for key, value in (("preprocessing", before), ("card", card)):
            entry = document.metadata_props.add()
            entry.key, entry.value = f"fernas.{key}", json.dumps(value, sort_keys=True)
        onnx.checker.check_model(document)
        onnx.save(document, str(temporary))
        difference = _parity(temporary, model, pictures)
        if difference > TOLERANCE:
            raise ContractError(f"{out}: ONNX and torch differ by {difference:.3g}, expected at most {TOLERANCE:g}")
        size = temporary.stat().st_size
    return {
        "model": str(out),
        "classes": list(before["classes"]),
        "input": list(shape),
        "bytes": size,
        "largest_difference": difference,
        "checked": CHECKED,
    }


def _wrapped(source: Path, before: dict[str, Any]) -> tuple[Any, tuple[int, int, int]]:
    """The network between scaling and softmax, in evaluation mode, and (H, W, C) of its pictures."""
    import torch
    from safetensors.torch import load_file

    from fernas.learn.augment import evaluation_view
    from fernas.spaces.networks import build_network

    architecture = read_architecture(source / "architecture.json")
    if architecture.kind == "patches" or before["view"]["kind"] == "lbp_top":
        raise DataError(f"{source}: models on face patches and on features are not exported, expected one on pictures")
    if architecture.network is None:
        raise DataError(f"{source}/architecture.json: no network block, expected the size of the trained network")
    net = build_network(architecture)
    net.load_state_dict(load_file(source / "model.safetensors"))
    options = AugmentConfig(scale=before["scale"])

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.net(evaluation_view(pictures, options)), -1)

    assert architecture.network.input is not None
    channels, height, width = architecture.network.input
    return Model().eval(), (height, width, channels)


def _parity(path: Path, model: Any, pictures: Any) -> float:
    """The largest difference of probabilities between the file and torch, batch by batch of different sizes."""
    import torch

    session = open_onnx(path)
    with torch.no_grad():
        expected = model(pictures).numpy()
    cuts = (slice(0, 1), slice(1, 4), slice(4, None))
    found = np.concatenate([session.run(None, {"pictures": pictures[cut].numpy()})[0] for cut in cuts])
    return float(np.abs(found - expected).max())


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
