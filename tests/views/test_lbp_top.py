"""LBP-TOP against patterns counted by hand, and the view of features that it makes."""

import numpy as np
import pytest

from fernas.core.errors import ConfigError, DataError
from fernas.core.io import read_npy, read_parquet
from fernas.views.inputs import InputSources, make_inputs
from fernas.views.lbp_top import PatternOptions, feature_count, lbp_top, patterns, plane_codes, resampled
from tests.fixtures.input_tables import clip_tables

RNG = np.random.default_rng(0)


def test_counts():
    assert patterns(8) == 59 and patterns(4) == 15
    assert feature_count(8, 5) == 25 * 3 * 59 == 4425


def test_codes_by_hand_on_each_plane():
    """Four points at distance 1 need no interpolation: neighbours at least as bright as the centre are ones."""
    volume = RNG.integers(0, 256, (5, 6, 7)).astype(np.uint8)
    codes = plane_codes(volume, 1, 4)
    assert codes.shape == (3, 3, 4, 5)
    v = volume.astype(int)
    axes = {0: (1, 2), 1: (0, 2), 2: (0, 1)}  # of the plane: rows, columns, in (t, y, x)
    code_of: dict[tuple, int] = {}
    for plane, (row, column) in axes.items():
        for t in range(1, 4):
            for y in range(1, 5):
                for x in range(1, 6):
                    steps = []
                    for axis, step in ((column, 1), (row, -1), (column, -1), (row, 1)):  # counter-clockwise from right
                        position = [t, y, x]
                        position[axis] += step
                        steps.append(v[tuple(position)] >= v[t, y, x])
                    code = int(codes[plane, t - 1, y - 1, x - 1])
                    bits = tuple(steps)
                    changes = sum(bits[i] != bits[i - 1] for i in range(4))
                    if changes > 2:
                        assert code == 14, "a pattern that isn't uniform is the last one"
                    else:
                        assert code_of.setdefault(bits, code) == code
    assert len(set(code_of.values())) == len(code_of) == 14, "each uniform pattern has its own number"


def test_histograms_sum_to_one_per_block_and_plane():
    volume = RNG.integers(0, 256, (9, 17, 15)).astype(np.uint8)
    features = lbp_top(volume, 2, 8, 3)
    assert features.dtype == np.float32 and features.shape == (feature_count(8, 3),)
    assert np.allclose(features.reshape(9, 3, 59).sum(2), 1)


def test_motion_shows_in_time_alone():
    """A static clip has one pattern in time per pixel; the same frames in motion have others."""
    image = RNG.integers(0, 256, (20, 40)).astype(np.uint8)
    still = np.stack([image[:, 10:30]] * 7)
    moving = np.stack([image[:, 10 + t : 30 + t] for t in range(7)])
    a, b = plane_codes(still, 1, 8), plane_codes(moving, 1, 8)
    assert (a[1] == a[1][:1]).all() and (a[2] == a[2][:1]).all()
    assert not (b[1] == b[1][:1]).all()
    middle = plane_codes(np.stack([image[:, 13:33]] * 7), 1, 8)[0, 0]
    assert (b[0, 2] == middle).all(), "the plane of the image does not see the motion"


def test_resampling_in_time():
    volume = np.stack([np.full((2, 2), value, np.uint8) for value in (0, 100, 200)])
    assert resampled(volume, 5)[:, 0, 0].tolist() == [0, 50, 100, 150, 200]
    assert (resampled(volume, 3) == volume).all()
    assert resampled(volume[:2], 3)[:, 0, 0].tolist() == [0, 50, 100]


def test_a_clip_without_inner_voxels_is_refused():
    with pytest.raises(DataError, match="inner voxels"):
        lbp_top(np.zeros((2, 20, 20), np.uint8))
    with pytest.raises(ValueError, match="twice the radius"):
        PatternOptions(frames=4, radius=2)


def test_a_view_of_features(tmp_path):
    frames = RNG.integers(0, 256, (12, 60, 60, 3)).astype(np.uint8)
    view = {"kind": "lbp_top", "size": 24, "lbp": {"blocks": 2, "frames": 6}}
    sources = InputSources(*clip_tables([5, 0, 11]), lambda _, ref: frames[int(ref)])
    make_inputs(sources, view, tmp_path / "i.npy", tmp_path / "i.parquet")
    array, table = read_npy(tmp_path / "i.npy"), read_parquet(tmp_path / "i.parquet")
    assert array.shape == (3, 1, 1, feature_count(8, 2)) and array.dtype == np.float32
    assert table["excluded"].isna().tolist() == [True, False, True] and "one frame" in table["excluded"][1]
    assert np.allclose(array[0].sum(), 4 * 3) and not array[1].any() and not np.allclose(array[0], array[2])


def test_stills_have_no_such_features(tmp_path):
    samples, manifest, faces = clip_tables([5])
    samples["positions"] = [[3]]
    sources = InputSources(samples, manifest, faces, lambda *_: None)
    with pytest.raises(ConfigError, match="needs clips"):
        make_inputs(sources, {"kind": "lbp_top", "size": 24}, tmp_path / "i.npy", tmp_path / "i.parquet")
