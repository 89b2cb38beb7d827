"""A final model as one ONNX file that holds all it needs: scaling, network, softmax, and what an image goes through.

Input `images`: uint8 (N, H, W, C), aligned faces as the model's view makes them; a model on face patches has a second
one, `noses`: float32 (N, 2), nose tips (x, y) in their pixels, NaN where unknown (the training faces' mean stands in).
Output `probabilities`: float32 (N, classes). What an image goes through (`fernas.deploy.preprocessing`) and the card
are json in the file's metadata. The file is checked before it is written: its probabilities on random images must be
those of torch.
"""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from fernas.core.architecture import Architecture, read_architecture
from fernas.core.errors import ContractError, DataError
from fernas.core.io import atomic_path, read_json
from fernas.deploy.preprocessing import Preprocessing, read_card, read_preprocessing
from fernas.learn.config import AugmentConfig

FILES = ("model.safetensors", "architecture.json", "preprocessing.json", "card.json")
OPSET = 18
TOLERANCE = 1e-4  # of probabilities
CHECKED = 8  # random images
MAX_METADATA = 1_000_000  # letters of json


def export_onnx(folder: Path | str, out: Path | str) -> dict[str, Any]:
    """Write the model of a folder (`results/final/<task>/<protocol>/<method>`) as ONNX.

    Returns:
        `model`, `classes`, `input` (H, W, C), `bytes`, `largest_difference` of probabilities between ONNX and torch on
        random images, and `checked` (how many images).

    Raises:
        DataError: the folder holds no final model, or its files do not belong together.
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
    documents = {name: read_json(source / f"{name}.json") for name in ("preprocessing", "card")}
    preprocessing = read_preprocessing(documents["preprocessing"], f"{source}/preprocessing.json")
    read_card(documents["card"], f"{source}/card.json")
    model, shape = _wrapped(source, preprocessing)
    batch = _random_batch(shape, model.needs_noses)
    with atomic_path(out) as temporary:
        _write_onnx(model, batch, temporary)
        document = onnx.load(str(temporary))
        for key, value in documents.items():
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
        "classes": list(preprocessing.classes),
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


def _wrapped(source: Path, preprocessing: Preprocessing) -> tuple[Any, tuple[int, int, int]]:
    """The network between scaling and softmax, in evaluation mode, and (H, W, C) of its images."""
    import torch

    from fernas.learn.augment import evaluation_view

    view, view_options = preprocessing.chosen_view
    height, width, channels = view.shape(view_options)
    architecture = read_architecture(source / "architecture.json")
    block, classes = architecture.network, len(preprocessing.classes)
    expected = {"classes": classes, "input": (channels, height, width)}
    found = {name: getattr(block, name, None) for name in expected}
    if found != expected:
        raise DataError(f"{source}/architecture.json: network {found}, expected {expected} as in preprocessing.json")
    net = _network(architecture, source / "model.safetensors")
    options = AugmentConfig(scale=preprocessing.scale)

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net
            self.needs_noses = bool(getattr(net, "needs_noses", False))

        def forward(self, images: torch.Tensor, noses: torch.Tensor | None = None) -> torch.Tensor:
            scaled = evaluation_view(images, options)
            return torch.softmax(self.net(scaled, noses) if self.needs_noses else self.net(scaled), -1)

    return Model().eval(), (height, width, channels)


def _network(architecture: Architecture, weights: Path) -> Any:
    """The trained network; the sizes of its weights are compared with the file's before memory is asked for them."""
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    from fernas.spaces.networks import build_network

    try:
        with safe_open(weights, "pt") as file:
            stored = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (SafetensorError, OSError) as error:
        raise DataError(f"{weights}: no weights ({_first_line(error)})") from error
    with torch.device("meta"):
        needed = {name: tuple(value.shape) for name, value in build_network(architecture).state_dict().items()}
    odd = sorted(name for name in stored.keys() | needed.keys() if stored.get(name) != needed.get(name))
    if odd:
        raise DataError(
            f"{weights}: {len(odd)} tensors are not those of architecture.json, first {odd[0]}: "
            f"{stored.get(odd[0], 'absent')}, expected {needed.get(odd[0], 'none')}"
        )
    net = build_network(architecture)
    net.load_state_dict(load_file(weights))
    return net


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


def read_onnx(path: Path | str) -> tuple[Preprocessing, dict[str, Any]]:
    """What an exported file says of itself, before its network is loaded: preprocessing and card.

    Raises:
        DataError: it is absent, no model of `fernas export`, or its inputs and outputs are not those that it describes.
    """
    import onnx

    if not Path(path).is_file():
        raise DataError(f"{path}: no such file, expected a model that `fernas export` wrote")
    if (size := Path(path).stat().st_size) >= 1 << 31:  # protobuf's own limit, asked before the file is loaded
        raise DataError(f"{path}: no ONNX model ({size} bytes, expected less than 2 GiB)")
    try:
        document = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's errors have no common class of their own
        raise DataError(f"{path}: no ONNX model ({_first_line(error)})") from error
    metadata = {entry.key: entry.value for entry in document.metadata_props}
    if "fernas.preprocessing" not in metadata:
        raise DataError(f"{path}: no classes and view in its metadata, expected a model of `fernas export`")
    preprocessing = read_preprocessing(_json(metadata, "fernas.preprocessing", path), f"{path}: fernas.preprocessing")
    card = read_card(_json(metadata, "fernas.card", path), f"{path}: fernas.card")
    view, options = preprocessing.chosen_view
    images = (onnx.TensorProto.UINT8, (*view.shape(options),))
    noses = (onnx.TensorProto.FLOAT, (2,))
    inputs, outputs = ({e.name: _axes(e) for e in entries} for entries in (document.graph.input, document.graph.output))
    if inputs not in ({"images": images}, {"images": images, "noses": noses}):
        raise DataError(f"{path}: inputs {_shapes(inputs)}, expected images {(*images[1],)} as its view makes them")
    answers = (onnx.TensorProto.FLOAT, (len(preprocessing.classes),))
    # the exporter leaves the size of an output open where it cannot tell it
    if [*outputs] != ["probabilities"] or outputs["probabilities"] != answers:
        raise DataError(f"{path}: outputs {_shapes(outputs)}, expected probabilities {answers[1]} as it has classes")
    return preprocessing, card


def _axes(entry: Any) -> tuple[int, tuple[int, ...]]:
    """The element type of a graph's input or output, and its axes after the first (0: any size)."""
    tensor = entry.type.tensor_type
    return tensor.elem_type, tuple(int(axis.dim_value) for axis in tensor.shape.dim)[1:]


def _shapes(entries: dict[str, tuple[int, tuple[int, ...]]]) -> str:
    return ", ".join(f"{name[:40]} {axes}" for name, (_, axes) in list(entries.items())[:4]) or "none"


def _json(metadata: dict[str, str], key: str, path: Path | str) -> Any:
    text = metadata.get(key, "null")
    if len(text) > MAX_METADATA:
        raise DataError(f"{path}: {key}: {len(text)} letters, expected at most {MAX_METADATA}")
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: {key}: not valid json ({_first_line(error)})") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


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
        raise DataError(f"{path}: no ONNX model ({_first_line(error)})") from error
