"""Model files from elsewhere: what they say of themselves is checked in one line before anything is loaded."""

import json
import subprocess
import sys

import onnx
import pytest

from fernas.core.errors import ConfigError, DataError
from fernas.core.images import write_image
from fernas.core.io import read_json, write_json
from fernas.deploy import export
from fernas.deploy.export import export_onnx
from fernas.deploy.predict import Model, samples_of
from tests.fixtures.final_models import CLASSES, write_final_model
from tests.fixtures.rendered_clips import still


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    export_onnx(write_final_model(folder / "final"), folder / "m.onnx")
    return folder / "m.onnx"


def altered(model, out, change):
    """The model after `change(document, metadata)`, which may alter both."""
    document = onnx.load(str(model))
    metadata = {entry.key: entry.value for entry in document.metadata_props}
    change(document, metadata)
    onnx.helper.set_model_props(document, metadata)
    onnx.save(document, str(out))
    return out


def preprocessing(**change):
    """A change of the record of how images are made; `...` takes a key out."""

    def apply(_, metadata):
        record = {**json.loads(metadata["fernas.preprocessing"]), **change}
        record = {name: value for name, value in record.items() if value is not ...}
        metadata["fernas.preprocessing"] = json.dumps(record)

    return apply


def raw(key, text):
    return lambda _, metadata: metadata.update({key: text})


def renamed(kind):
    def apply(document, _):
        getattr(document.graph, kind)[0].name = "other"

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _, metadata: metadata.clear(), "no classes and view in its metadata, expected a model of"),
        (lambda _, metadata: metadata.pop("fernas.card"), "fernas.card: no card of a model"),
        (raw("fernas.preprocessing", "{"), "fernas.preprocessing: not valid json"),
        (raw("fernas.preprocessing", "[" * 100_000), "fernas.preprocessing: not valid json"),
        (raw("fernas.card", '"' + "x" * 2_000_000 + '"'), "2000002 letters, expected at most 1000000"),
        (preprocessing(classes=[]), "at least 2 items"),
        (
            preprocessing(classes=CLASSES[:2]),
            "outputs probabilities (3,), expected probabilities (2,) as it has classes",
        ),
        (preprocessing(classes=...), "classes: missing"),
        (preprocessing(crops=...), "made by an earlier fernas"),
        (preprocessing(view=...), "view: missing"),
        (preprocessing(view={"kind": "still", "size": 10**6}), "size: Input should be less than or equal to 512"),
        (preprocessing(view={"kind": "still", "size": 64}), "inputs images (32, 32, 3), expected images (64, 64, 3)"),
        (preprocessing(view={"kind": "still", "size": 32, "colour": "grey"}), "expected images (32, 32, 1)"),
        (preprocessing(faces={"preview_px": 10**5}), "preview_px: Input should be less than or equal to 512"),
        (renamed("output"), "outputs other (3,), expected probabilities (3,)"),
        (renamed("input"), "inputs other (32, 32, 3), expected images (32, 32, 3)"),
    ],
)
def test_what_a_model_says_is_checked_before_it_is_loaded(change, message, model, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "open_onnx", lambda path: pytest.fail("the network was loaded"))
    path = altered(model, tmp_path / "odd.onnx", change)
    with pytest.raises(DataError) as caught:
        Model(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ") and message in text and "\n" not in text


def test_on_the_command_line_it_is_one_line_and_exit_status_2(model, tmp_path):
    path = altered(model, tmp_path / "old.onnx", preprocessing(crops=...))
    command = [sys.executable, "-m", "fernas.cli", "predict", str(path), str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (process.returncode, process.stdout) == (2, "")
    assert process.stderr.startswith("DataError: ") and process.stderr.count("\n") == 1
    assert "snakemake --cores all final, then fernas export" in process.stderr


def network(out, model, *nodes):
    """The model with another graph between its input and its output."""

    def apply(document, _):
        del document.graph.node[:], document.graph.initializer[:]
        axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [1, 2])
        document.graph.initializer.append(axes)
        document.graph.node.extend(nodes)

    return altered(model, out, apply)


def test_answers_that_are_no_probabilities_are_refused(model, tmp_path):
    cast = onnx.helper.make_node("Cast", ["images"], ["floats"], to=onnx.TensorProto.FLOAT)
    sums = onnx.helper.make_node("ReduceSum", ["floats", "axes"], ["probabilities"], keepdims=0)
    opened = Model(network(tmp_path / "sums.onnx", model, cast, sums))
    write_image(tmp_path / "face.png", still(0)[0])
    with pytest.raises(DataError, match=r"sums\.onnx: answers of shape \(1, 3\), expected probabilities \(1, 3\)"):
        opened.predict(samples_of(tmp_path / "face.png", False))


def test_a_network_that_fails_is_one_line(model, tmp_path):
    cast = onnx.helper.make_node("Cast", ["images"], ["floats"], to=onnx.TensorProto.FLOAT)
    shape = onnx.helper.make_tensor("shape", onnx.TensorProto.INT64, [2], [7, 3])
    constant = onnx.helper.make_node("Constant", [], ["shape"], value=shape)
    bad = onnx.helper.make_node("Reshape", ["floats", "shape"], ["probabilities"])
    opened = Model(network(tmp_path / "bad.onnx", model, cast, constant, bad))
    write_image(tmp_path / "face.png", still(0)[0])
    with pytest.raises(DataError, match=r"bad\.onnx: the network fails") as caught:
        opened.predict(samples_of(tmp_path / "face.png", False))
    assert "\n" not in str(caught.value)


def without_card(folder):
    (folder / "card.json").unlink()


def torn_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


def edit(name, **change):
    return lambda folder: write_json(folder / name, {**read_json(folder / name), **change})


def edit_network(**change):
    def apply(folder):
        document = read_json(folder / "architecture.json")
        document["network"].update(change)
        write_json(folder / "architecture.json", document)

    return apply


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_card, "no card.json, expected a model on all subjects"),
        (torn_weights, "model.safetensors: no weights"),
        (lambda folder: (folder / "preprocessing.json").write_text("{"), "preprocessing.json: not valid json"),
        (
            lambda folder: (folder / "preprocessing.json").write_text("[" * 100_000),
            "preprocessing.json: not valid json",
        ),
        (edit("preprocessing.json", classes=["a", "b"]), "expected {'classes': 2, 'input': (3, 32, 32)}"),
        (edit("preprocessing.json", view={"kind": "still", "size": 64}), "'input': (3, 64, 64)} as in"),
        (edit("card.json", rendered=None), "card.json: no card of a model"),
        (edit_network(channels=512), "tensors are not those of architecture.json"),
        (edit_network(cells=5000), "network.cells: Input should be less than or equal to"),
    ],
)
def test_a_folder_whose_files_do_not_belong_together_is_not_exported(change, message, tmp_path):
    folder = write_final_model(tmp_path / "final")
    change(folder)
    with pytest.raises((DataError, ConfigError)) as caught:
        export_onnx(folder, tmp_path / "m.onnx")
    text = str(caught.value)
    assert message in text and "\n" not in text
    assert not (tmp_path / "m.onnx").exists()
