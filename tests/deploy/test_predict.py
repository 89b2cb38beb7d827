"""An exported model on images, folders, clips and videos."""

import numpy as np
import pytest

from fernas.core.errors import DataError
from fernas.core.images import write_image
from fernas.deploy import predict
from fernas.deploy.export import export_onnx
from fernas.deploy.predict import Model, samples_of
from tests.fixtures.dataset_trees.files import write_video
from tests.fixtures.final_models import two_patches, write_final_model


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    for k in range(3):
        write_image(folder / f"{k}.png", rng.integers(0, 255, (90, 80, 3), dtype=np.uint8))
    return folder


def test_a_model_of_clips_takes_a_folder_as_one(tmp_path, images):
    export_onnx(write_final_model(tmp_path / "final", kind="dynamic"), tmp_path / "m.onnx")
    model = Model(tmp_path / "m.onnx")
    (row,) = model.predict(samples_of(images, model.takes_clips))
    assert row["input"] == str(images)
    with pytest.raises(DataError, match="looks at clips"):
        samples_of(images / "0.png", True)


@pytest.mark.parametrize("form", ["separate", "stacked"])
def test_patches_are_cut_at_each_nose_and_at_the_training_faces_mean_where_none_is_known(
    form, tmp_path, images, monkeypatch
):
    export_onnx(write_final_model(tmp_path / "final", two_patches(form=form)), tmp_path / "m.onnx")
    model, samples = Model(tmp_path / "m.onnx"), samples_of(images, False)
    without = model.predict(samples)
    assert {row["face"] for row in without} == {"not found"}

    def rows_of(noses):
        with monkeypatch.context() as patch:
            patch.setattr(predict, "known_noses", lambda _: np.array(noses, np.float32))
            return model.predict(samples)

    assert rows_of([(14, 20)] * 3) == without  # the mean of the training faces, which the file holds
    moved = rows_of([(14, 20), (9, 12), (float("nan"), 12)])
    assert moved[0] == without[0] and moved[2] == without[2] and moved[1] != without[1]


def test_no_samples_have_no_rows(tmp_path):
    export_onnx(write_final_model(tmp_path / "final"), tmp_path / "m.onnx")
    assert Model(tmp_path / "m.onnx").predict([]) == []


def test_a_torn_video_and_a_file_of_another_kind_are_named(tmp_path):
    write_video(tmp_path / "clip.avi", 60)
    (tmp_path / "torn.avi").write_bytes((tmp_path / "clip.avi").read_bytes()[:200])
    with pytest.raises(DataError, match=r"torn\.avi"):
        samples_of(tmp_path / "torn.avi", False)
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match="expected an image"):
        samples_of(tmp_path / "notes.txt", False)


def test_what_is_no_model_is_named(tmp_path):
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for path in (tmp_path / "broken.onnx", tmp_path / "absent.onnx"):
        with pytest.raises(DataError, match=path.name):
            Model(path)
