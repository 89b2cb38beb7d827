"""A final model as ONNX: its probabilities are torch's, and the file holds what its images go through."""

import pytest

from fernas.core.errors import DataError
from fernas.deploy.export import export_onnx
from fernas.deploy.predict import Model
from tests.fixtures.final_models import CLASSES, two_patches, write_final_model


def test_onnx_predicts_as_torch_does_and_says_what_it_needs(tmp_path):
    summary = export_onnx(write_final_model(tmp_path / "final"), tmp_path / "model.onnx")
    assert summary["largest_difference"] < 1e-4 and summary["input"] == [32, 32, 3] and summary["bytes"] > 1000
    model = Model(tmp_path / "model.onnx")
    assert model.classes == CLASSES and model.view["size"] == 32 and model.card["uar"] == 0.5 and not model.takes_clips
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
