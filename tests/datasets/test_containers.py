"""Frames that are no image files."""

import struct

import pytest

from fernas.core.errors import DataError
from fernas.datasets import containers, custom
from fernas.datasets.check import check_data
from fernas.datasets.containers import video_length
from fernas.deploy import predict
from tests.fixtures.dataset_trees.files import write_video


@pytest.fixture
def claims(tmp_path):
    """A function that writes a video of six frames whose header claims another number."""

    def write(frames):
        path = tmp_path / "v.avi"
        write_video(path, 6)
        data = bytearray(path.read_bytes())
        struct.pack_into("<I", data, data.index(b"avih") + 24, frames)
        struct.pack_into("<I", data, data.index(b"strh") + 40, frames)
        path.write_bytes(data)
        return path

    return write


def test_the_header_of_a_sound_video_is_believed(claims):
    assert video_length(claims(6)) == 6


@pytest.mark.parametrize("frames", [2_000_000_000, 1_000_000])
def test_a_header_that_claims_more_frames_than_its_file_can_hold_is_refused_before_they_are_listed(
    frames, claims, monkeypatch
):
    path = claims(frames)
    for module, name in ((custom, "Clip"), (predict, "_clip")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("frames were listed"))
    with pytest.raises(DataError, match=rf"v\.avi: its header claims {frames} frames in \d+ bytes, expected at most"):
        predict.samples_of(path, clips=True)
    (path.parent / "t.csv").write_text("path,label,subject\nv.avi,x,1\n")
    assert f"claims {frames} frames" in check_data("custom", path.parent)["problems"][0]


def test_a_long_file_does_not_make_a_long_claim_true(claims, monkeypatch):
    monkeypatch.setattr(containers, "MAX_FRAMES", 100)
    with pytest.raises(DataError, match="claims 101 frames in .* expected at most 100 frames"):
        video_length(claims(101))
