"""The stored inputs of every kind of view."""

import json

import numpy as np
import pandas as pd
import pytest

from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.images import to_grey
from fernas.core.io import read_parquet
from fernas.faces.geometry import Eyes, centre_crop_transform, eyes_transform, to_aligned
from fernas.faces.warp import warp_face
from fernas.views.inputs import InputSources, make_inputs, positions_of_view, view_of
from fernas.views.pool import to_image
from fernas.views.weights import bilen
from tests.fixtures.rendered_clips import Shelf, clip, manifest

FRAMES, TRUTH = clip()
LAST = len(FRAMES) - 1
TRANSFORM = eyes_transform(Eyes(TRUTH[0][0], TRUTH[0][1]), 0.34, 0.38)


def quiet(items, total=None, desc=""):
    return items


def face_rows(ids, status="ok", transform=TRANSFORM, reason=None):
    return pd.DataFrame(
        {
            "sample_id": ids,
            "status": status,
            "reason": reason,
            "landmarks": [[float(v) for v in TRUTH[0].ravel()] for _ in ids],
            "transform": [None if transform is None else [float(v) for v in transform.ravel()] for _ in ids],
        }
    )


def sample_rows(positions):
    """Samples from id -> positions; the source is the id up to '/f'."""
    return pd.DataFrame(
        {
            "sample_id": list(positions),
            "source_id": [name.split("/f")[0] for name in positions],
            "dataset": "toy",
            "subject": "toy/s1",
            "label": "surprise",
            "class_index": 1,
            "positions": list(positions.values()),
        }
    )


class Bench:
    """One clip on a shelf and the paths to write to."""

    def __init__(self, folder, clips=None):
        self.shelf = Shelf(clips or {"toy/c": FRAMES})
        self.manifest = manifest({name: len(frames) for name, frames in self.shelf.clips.items()})
        self.npy, self.table = folder / "inputs.npy", folder / "inputs.parquet"

    def make(self, view, positions, faces=None, **more):
        rows = sample_rows(positions)
        faces = face_rows(list(self.shelf.clips)) if faces is None else faces
        sources = InputSources(rows, self.manifest, faces, self.shelf.read, **more)
        make_inputs(sources, view, self.npy, self.table, quiet)
        return np.load(self.npy, mmap_mode="r", allow_pickle=False), read_parquet(self.table)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


CLIP = {"toy/c": [0, 5, LAST]}


def test_a_dynamic_view_reads_its_span_once_and_warps_the_sum(bench):
    array, table = bench.make({"kind": "dynamic", "size": 32}, CLIP)
    assert sorted(bench.shelf.reads) == [f"toy/c#{t}" for t in range(6)]
    assert array.shape == (1, 32, 32, 3) and array.dtype == np.uint8
    raw = np.tensordot(bilen(6), np.stack(FRAMES[:6]).astype(np.float64), axes=1).astype(np.float32)
    expected = to_image(warp_face(raw, TRANSFORM, 32))
    assert np.abs(array[0].astype(int) - expected).max() <= 2
    assert table["excluded"].isna().all() and table["row"].tolist() == [0]
    nose = to_aligned(TRANSFORM, TRUTH[0][2], 32)
    np.testing.assert_allclose(table[["nose_x", "nose_y"]].to_numpy()[0], nose)


@pytest.mark.parametrize(
    ("span", "expected"),
    [("onset_apex", range(1, 6)), ("onset_offset", range(1, 8)), ("all", range(LAST + 1))],
)
def test_spans(bench, span, expected):
    bench.make({"kind": "dynamic", "span": span, "size": 16}, {"toy/c": [1, 5, 7]})
    assert sorted(bench.shelf.reads) == [f"toy/c#{t}" for t in expected]


@pytest.mark.parametrize("weights", ["bilen", "learnet", "exact"])
@pytest.mark.parametrize("colour", ["rgb", "grey"])
def test_every_weighting_and_colour_gives_a_stretched_image(bench, weights, colour):
    array, _ = bench.make({"kind": "dynamic", "weights": weights, "colour": colour, "size": 24}, CLIP)
    assert array.shape == (1, 24, 24, 3 if colour == "rgb" else 1)
    assert array.min() == 0 and array.max() == 255


def test_exact_and_approximate_rank_pooling_see_the_same_motion(bench):
    views = [{"kind": "dynamic", "weights": name, "size": 24} for name in ("bilen", "exact")]
    first, second = (np.array(bench.make(view, CLIP)[0][0], float).ravel() for view in views)
    assert np.corrcoef(first, second)[0, 1] > 0.8


@pytest.mark.parametrize("kind", ["still", "apex"])
def test_stills_are_the_aligned_frame(bench, kind):
    array, _ = bench.make({"kind": kind, "size": 40}, {**CLIP, "toy/c/f00003": [3]})
    np.testing.assert_array_equal(array[0], warp_face(FRAMES[5], TRANSFORM, 40))
    np.testing.assert_array_equal(array[1], warp_face(FRAMES[3], TRANSFORM, 40))
    grey, _ = bench.make({"kind": kind, "size": 40, "colour": "grey"}, CLIP)
    np.testing.assert_array_equal(grey[0, :, :, 0], to_grey(warp_face(FRAMES[5], TRANSFORM, 40)))


def test_apex_minus_onset_is_the_stretched_difference(bench):
    array, _ = bench.make({"kind": "apex_minus_onset", "size": 32}, CLIP)
    assert sorted(bench.shelf.reads) == ["toy/c#0", "toy/c#5"]
    difference = FRAMES[5].astype(np.float32) - FRAMES[0].astype(np.float32)
    assert np.abs(array[0].astype(int) - to_image(warp_face(difference, TRANSFORM, 32))).max() <= 2


@pytest.mark.parametrize("view", [{"kind": "dynamic"}, {"kind": "apex_minus_onset"}])
def test_a_clip_of_one_frame_is_excluded_with_its_reason(tmp_path, view):
    bench = Bench(tmp_path, {"toy/c": FRAMES, "toy/d": FRAMES})
    array, table = bench.make({**view, "size": 16}, {"toy/c": [4, 4, LAST], "toy/d": [0, 4, LAST]})
    assert "a clip of one frame" in table["excluded"][0] and pd.isna(table["excluded"][1])
    assert not array[0].any() and array[1].any()


def test_a_sample_without_a_face_is_kept_or_excluded_as_the_task_says(bench):
    height, width = FRAMES[0].shape[:2]
    faces = face_rows(["toy/c"], "no_face", centre_crop_transform(height, width), "no face in 5 frames")
    array, table = bench.make({"kind": "apex", "size": 24}, CLIP, faces)
    assert table["face_status"][0] == "no_face" and pd.isna(table["excluded"][0]) and array.any()
    array, table = bench.make({"kind": "apex", "size": 24}, CLIP, faces, no_face="exclude")
    assert table["excluded"][0] == "no face: no face in 5 frames" and not array.any()
    assert len(bench.shelf.reads) == 1


def test_an_unreadable_sample_is_excluded_under_any_policy(bench):
    faces = face_rows(["toy/c"], "no_face", None, "unreadable: img1.jpg")
    _, table = bench.make({"kind": "apex", "size": 24}, CLIP, faces)
    assert "img1.jpg" in table["excluded"][0] and pd.isna(table["nose_x"][0])


def test_a_static_clip_is_mid_grey(tmp_path):
    bench = Bench(tmp_path, {"toy/c": [FRAMES[0]] * 5})
    array, _ = bench.make({"kind": "dynamic", "size": 24}, {"toy/c": [0, 4, 4]})
    assert (array == 128).all()


def test_a_failure_leaves_no_half_file(bench):
    def broken(dataset, ref):
        raise DataError(f"{ref}: truncated image")

    bench.shelf.read = broken
    with pytest.raises(DataError, match="toy/c: toy/c#0: truncated image"):
        bench.make({"kind": "dynamic", "size": 24}, CLIP)
    assert list(bench.npy.parent.iterdir()) == []


@pytest.mark.parametrize("weights", ["bilen", "exact"])
def test_frames_of_different_sizes_are_named(tmp_path, weights):
    bench = Bench(tmp_path, {"toy/c": [FRAMES[0], FRAMES[1][:-1], FRAMES[2]]})
    with pytest.raises(DataError, match="toy/c: toy/c#1 is 192x191 px, toy/c#0 192x192"):
        bench.make({"kind": "dynamic", "size": 24, "weights": weights}, {"toy/c": [0, 2, 2]})


def test_a_sample_without_manifest_or_face_row_breaks_the_contract(bench):
    with pytest.raises(ContractError, match="toy/x"):
        bench.make({"kind": "still"}, {"toy/x": [0]})
    with pytest.raises(ContractError, match="faces table"):
        bench.make({"kind": "still"}, CLIP, face_rows(["toy/other"]))


def test_clip_views_need_clips():
    with pytest.raises(ConfigError, match="frames.kind"):
        positions_of_view(*view_of({"kind": "dynamic"}), [3], 9, "toy/c")


@pytest.mark.parametrize("positions", [[3, 2, 5], [0, 4, 9], [-1, 2, 3]])
def test_positions_that_do_not_fit_are_refused(positions):
    with pytest.raises(DataError, match="toy/c"):
        positions_of_view(*view_of({"kind": "dynamic"}), positions, 9, "toy/c")


def test_no_samples_is_an_error(bench):
    with pytest.raises(DataError, match="no samples"):
        bench.make({"kind": "still"}, {})


def test_the_same_inputs_give_the_same_files(bench):
    view = {"kind": "dynamic", "size": 24}
    bench.make(view, CLIP)
    first = bench.npy.read_bytes(), json.loads(read_parquet(bench.table).to_json())
    bench.make(view, CLIP)
    assert (bench.npy.read_bytes(), json.loads(read_parquet(bench.table).to_json())) == first
