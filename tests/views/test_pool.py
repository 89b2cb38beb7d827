"""Pooling frames into a dynamic image."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.errors import DataError
from fernas.faces.geometry import Eyes, eyes_transform
from fernas.faces.warp import warp_face
from fernas.views.pool import Window, pool_frames, to_image
from fernas.views.weights import bilen, exact, fixed_weights, learnet
from tests.fixtures.rendered_clips import clip


def noise_clip(length=7, shape=(12, 16, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (length, *shape)).astype(np.uint8)


@given(st.integers(2, 30), st.sampled_from(["bilen", "learnet"]), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_accumulated_sum_is_the_weighted_sum(length, kind, seed):
    frames = noise_clip(length, seed=seed)
    weights = fixed_weights(kind, length)
    expected = np.tensordot(weights, frames.astype(np.float64), axes=1)
    raw = pool_frames(frames.__getitem__, weights)
    assert raw.dtype == np.float32
    np.testing.assert_allclose(raw, expected, rtol=1e-5, atol=0.02)


@pytest.mark.parametrize("length", [2, 3, 16, 150])
def test_a_static_clip_is_exactly_zero_under_bilen_and_mid_grey(length):
    frames = np.repeat(noise_clip(1), length, axis=0)
    raw = pool_frames(frames.__getitem__, bilen(length))
    np.testing.assert_array_equal(raw, np.zeros_like(raw))
    assert (to_image(raw) == 128).all()


def test_a_static_clip_is_the_mean_face_times_its_length_under_learnet():
    frames = np.repeat(noise_clip(1), 11, axis=0)
    raw = pool_frames(frames.__getitem__, learnet(11))
    np.testing.assert_allclose(raw, 11.0 * frames[0], rtol=1e-6)


def test_a_static_clip_is_mid_grey_under_exact():
    frames = np.repeat(noise_clip(1), 5, axis=0)
    assert (to_image(pool_frames(frames.__getitem__, exact(frames))) == 128).all()


def test_the_order_of_the_frames_matters():
    frames = noise_clip()
    forwards, backwards = (pool_frames(f.__getitem__, bilen(7)) for f in (frames, frames[::-1]))
    assert np.abs(forwards - backwards).max() > 100


@given(st.integers(2, 12), st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_one_thread_and_two_give_the_same_bits_and_each_frame_is_read_once(length, seed):
    frames = noise_clip(length, seed=seed)
    reads: list[int] = []

    def read(position):
        reads.append(position)
        return frames[position]

    one = pool_frames(read, bilen(length))
    assert sorted(reads) == list(range(length))
    np.testing.assert_array_equal(one, pool_frames(read, bilen(length), threads=2))
    np.testing.assert_allclose(one, np.tensordot(bilen(length), frames.astype(float), axes=1), rtol=1e-5, atol=0.02)


def test_a_window_is_the_same_part_of_the_whole_sum():
    frames = noise_clip()
    whole = pool_frames(frames.__getitem__, bilen(7))
    part = pool_frames(frames.__getitem__, bilen(7), Window(2, 9, 3, 15))
    np.testing.assert_array_equal(part, whole[2:9, 3:15])


@pytest.mark.parametrize("weights", [bilen(9), learnet(9)])
def test_warping_the_sum_is_summing_the_warped_frames(weights):
    frames, truth = clip()
    transform = eyes_transform(Eyes(truth[0][0], truth[0][1]), 0.34, 0.38)
    once = warp_face(pool_frames(frames.__getitem__, weights), transform, 48)
    each = [warp_face(frame.astype(np.float32), transform, 48) for frame in frames]
    np.testing.assert_allclose(once, np.tensordot(weights, np.stack(each), axes=1), atol=0.02)


def test_frames_of_different_sizes_are_refused():
    frames = [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), np.zeros((8, 9, 3), np.uint8)]
    with pytest.raises(DataError, match=r"frame 3 is \(8, 9, 3\) uint8, the first one \(8, 8, 3\)"):
        pool_frames(frames.__getitem__, bilen(3))


def test_memory_does_not_grow_with_the_clip():
    def peak(length):
        tracemalloc.start()
        try:
            pool_frames(lambda t: np.full((64, 64, 3), t % 251, np.uint8), bilen(length))
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(4)
    assert peak(400) < 1.1 * peak(8) + 20_000


def test_image_stretches_over_all_channels_together():
    raw = np.array([[[0.0, -1.0, 1.0], [1.0, 1.0, 3.0]]])
    np.testing.assert_array_equal(to_image(raw), [[[64, 0, 128], [128, 128, 255]]])


@given(st.floats(-1e5, 1e5))
def test_a_constant_image_is_mid_grey(value):
    assert (to_image(np.full((3, 3, 3), value, np.float32)) == 128).all()


def test_a_sum_that_is_not_finite_is_refused():
    with pytest.raises(DataError, match="finite"):
        to_image(np.array([[np.nan, 1.0]]))
