"""The dynamic image of a folder."""

import numpy as np
import pytest

from fernas.core.errors import ConfigError, DataError
from fernas.core.images import read_image, write_image
from fernas.views.folder import dynamic_image_from_folder
from fernas.views.weights import bilen


@pytest.fixture
def folder(tmp_path):
    """Twelve frames whose names sort differently as text: img1, img2, ..., img12."""
    frames = np.random.default_rng(0).integers(0, 256, (12, 20, 24, 3)).astype(np.uint8)
    for number, frame in enumerate(frames, start=1):
        write_image(tmp_path / "frames" / f"img{number}.png", frame)
    (tmp_path / "frames" / "Thumbs.db").write_bytes(b"x")
    return tmp_path / "frames", frames


def test_frames_are_taken_in_natural_order(folder, tmp_path):
    path, frames = folder
    assert dynamic_image_from_folder(path, "bilen", tmp_path / "raw.npy") == 12
    raw = np.load(tmp_path / "raw.npy", allow_pickle=False)
    np.testing.assert_allclose(raw, np.tensordot(bilen(12), frames.astype(float), axes=1), rtol=1e-5, atol=0.01)


@pytest.mark.parametrize("method", ["bilen", "learnet", "exact"])
def test_every_method_writes_an_image_of_the_frames_size(folder, tmp_path, method):
    out = tmp_path / "out.png"
    dynamic_image_from_folder(folder[0], method, out)
    image = read_image(out)
    assert image.shape == (20, 24, 3)
    assert image.min() == 0 and image.max() == 255


def test_what_cannot_be_made_is_said(folder, tmp_path):
    path, frames = folder
    with pytest.raises(ConfigError, match="bilen"):
        dynamic_image_from_folder(path, "bilan", tmp_path / "out.png")
    with pytest.raises(ConfigError, match="out.gif"):
        dynamic_image_from_folder(path, "bilen", tmp_path / "out.gif")
    with pytest.raises(DataError, match="no such folder"):
        dynamic_image_from_folder(tmp_path / "nowhere", "bilen", tmp_path / "out.png")
    write_image(path / "img13.png", frames[0][:10])
    with pytest.raises(DataError, match="img13.png: 24x10 px, but img1.png is 24x20"):
        dynamic_image_from_folder(path, "bilen", tmp_path / "out.png")
    alone = tmp_path / "alone"
    write_image(alone / "img1.png", frames[0])
    with pytest.raises(DataError, match="1 images, a dynamic image needs at least 2"):
        dynamic_image_from_folder(alone, "bilen", tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()
