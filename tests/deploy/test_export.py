"""A final model as ONNX: its probabilities are torch's, and the file holds what its images go through."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from fernas.core.architecture import read_architecture
from fernas.core.errors import DataError
from fernas.deploy.export import export_onnx
from fernas.deploy.predict import Model
from fernas.spaces.networks import build_network
from tests.fixtures.final_models import CLASSES, two_patches, write_final_model


def test_onnx_predicts_as_torch_does_and_says_what_it_needs(tmp_path):
    summary = export_onnx(write_final_model(tmp_path / "final"), tmp_path / "model.onnx")
    assert summary["largest_difference"] < 1e-4 and summary["input"] == [32, 32, 3] and summary["bytes"] > 1000
    model = Model(tmp_path / "model.onnx")
    assert model.classes == tuple(CLASSES) and model.preprocessing.view["size"] == 32 and model.card["uar"] == 0.5
    assert model.is_rendered and not model.takes_clips
    assert [entry.name for entry in model.session.get_inputs()] == ["images"]


@pytest.mark.parametrize("form", ["separate", "stacked"])
def test_a_model_on_patches_takes_nose_tips_beside_the_images(form, tmp_path):
    summary = export_onnx(write_final_model(tmp_path / "final", two_patches(form=form)), tmp_path / "m.onnx")
    assert summary["largest_difference"] < 1e-4 and summary["checked"] == 8
    model = Model(tmp_path / "m.onnx")
    assert model.needs_noses and not model.takes_clips
    assert [entry.name for entry in model.session.get_inputs()] == ["images", "noses"]


def test_a_folder_without_a_model_names_the_command_that_makes_one(tmp_path):
    with pytest.raises(DataError, match="snakemake --cores all final"):
        export_onnx(tmp_path, tmp_path / "m.onnx")


def test_an_exported_model_scales_images_as_its_training_did(tmp_path):
    """Here each image to mean 0 and deviation 1; the network in evaluation mode."""
    folder = write_final_model(tmp_path / "final")
    export_onnx(folder, tmp_path / "model.onnx")
    images = np.random.default_rng(0).integers(0, 90, (3, 32, 32, 3)).astype(np.uint8)
    floats = images.astype(np.float32)
    scaled = (floats - floats.mean((1, 2, 3), keepdims=True)) / floats.std((1, 2, 3), keepdims=True)
    net = build_network(read_architecture(folder / "architecture.json")).eval()
    net.load_state_dict(load_file(folder / "model.safetensors"))
    with torch.no_grad():
        expected = torch.softmax(net(torch.from_numpy(scaled).permute(0, 3, 1, 2)), -1).numpy()
    (probabilities,) = Model(tmp_path / "model.onnx").session.run(None, {"images": images})
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
