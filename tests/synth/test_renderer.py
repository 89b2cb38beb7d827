"""The renderer: identities, action units, landmarks, envelopes, and that images follow from the seed alone."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fernas.core.errors import ConfigError
from fernas.synth import geometry
from fernas.synth.action_units import (
    ACTION_UNITS,
    N_CHANNELS,
    PROTOTYPES,
    Expression,
    channel,
    sample_expression,
    sample_expressivity,
)
from fernas.synth.clips import ClipPlan, envelope, head_drift, render_clip, render_still
from fernas.synth.identity import build_identity, cached_identity
from fernas.synth.landmarks import eye_distance, face_box, five_points, track
from fernas.synth.macro import portrait_camera
from fernas.synth.render import Camera, Pose, draw_face, render_frame, scene_behind
from fernas.synth.shapes import catmull_rom, eye, mouth

CAMERA = portrait_camera(128, 1.0)
REST = np.zeros(N_CHANNELS, np.float32)
HASH_SCRIPT = """
import hashlib
from fernas.synth.clips import ClipPlan, render_clip
from fernas.synth.identity import build_identity
from fernas.synth.macro import portrait_camera
clip = render_clip(build_identity(5), ClipPlan("fear", 6, 0, 3, 5, 0.7), portrait_camera(128, 1.0), 9)
print(hashlib.sha256(b"".join(f.tobytes() for f in clip.frames) + clip.landmarks.tobytes()).hexdigest())
"""


def both_sides(unit: int, strength: float = 1.0) -> np.ndarray:
    """One action unit alone, with the gains of nobody."""
    out = REST.copy()
    i = 2 * ACTION_UNITS.index(unit)
    out[i : i + 2] = strength
    return out


def points_in_ipd(seed: int, activation: np.ndarray) -> np.ndarray:
    identity = cached_identity(seed)
    return (draw_face(identity, activation, Pose())[2] - identity.canvas.origin) / identity.canvas.scale


# ------------------------------------------------------------------------------------------------- determinism


def test_the_same_seed_gives_the_same_bytes_in_another_process():
    here = hashlib.sha256()
    clip = render_clip(build_identity(5), ClipPlan("fear", 6, 0, 3, 5, 0.7), portrait_camera(128, 1.0), 9)
    here.update(b"".join(f.tobytes() for f in clip.frames) + clip.landmarks.tobytes())
    other = subprocess.run([sys.executable, "-c", HASH_SCRIPT], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == here.hexdigest()


def test_an_image_does_not_depend_on_what_was_rendered_before():
    plan = ClipPlan("surprise", 5, 0, 2, 4, 0.5)
    first = render_clip(build_identity(1), plan, CAMERA, 3).frames
    render_clip(build_identity(2), ClipPlan("anger", 5, 0, 2, 4, 1.0), CAMERA, 4)
    assert all(
        np.array_equal(a, b) for a, b in zip(first, render_clip(build_identity(1), plan, CAMERA, 3).frames, strict=True)
    )


def test_other_seeds_give_other_people():
    a, b = (render_frame(build_identity(seed), REST, CAMERA)[0].astype(int) for seed in (1, 2))
    assert np.abs(a - b).mean() > 10


def test_the_canvas_size_changes_neither_face_nor_marks():
    small, large = build_identity(3, 128), build_identity(3, 256)
    assert small.face == large.face
    shrunk = render_frame(large, REST, portrait_camera(96, 1.0))[0].astype(float)
    direct = render_frame(small, REST, portrait_camera(96, 1.0))[0].astype(float)
    assert np.corrcoef(shrunk.ravel(), direct.ravel())[0, 1] > 0.97


def test_a_feature_of_the_face_does_not_shift_other_streams():
    plain, bearded = (
        build_identity(3, 128, stubble=0.0, softness=0.2),
        build_identity(3, 128, stubble=0.6, softness=0.2),
    )
    hair = np.s_[:20]
    assert np.array_equal(plain.rgba[hair], bearded.rgba[hair])
    assert not np.array_equal(plain.rgba, bearded.rgba)


# ---------------------------------------------------------------------------------------------------- geometry


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=200, deadline=None)
def test_every_face_is_in_order_from_brow_to_chin(seed):
    face = geometry.sample_geometry(seed)
    assert (
        face.brow_y
        < -0.15
        < 0.5
        < face.nose_y
        < face.mouth_y - face.lip_upper
        < face.mouth_y + face.lip_lower
        < face.chin_y
    )
    assert 0 < face.brow_inner < face.eye_dx < face.brow_outer < face.face_width
    assert 0 <= face.skin_tone <= 6 and 0 <= face.hair_colour < len(geometry.HAIR_COLOURS)
    assert (face.skin_rgb() > 30).all() and (face.skin_rgb() < 256).all()


def test_variety_shrinks_differences_and_keeps_the_draws():
    full = [geometry.sample_geometry(seed) for seed in range(50)]
    none = [geometry.sample_geometry(seed, 0.0) for seed in range(50)]
    assert np.ptp([f.skin_tone for f in full]) > 3 and np.ptp([f.skin_tone for f in none]) == 0
    assert [f.hair_style for f in full] == [f.hair_style for f in none]


def test_jaw_ends_at_the_chin():
    face = geometry.sample_geometry(1)
    assert face.jaw_half_width(np.array([0.0, face.chin_y, face.chin_y + 0.1])) == pytest.approx(
        [face.face_width, 0, 0]
    )


# ------------------------------------------------------------------------------------------------ action units


def test_an_unknown_expression_is_refused_with_the_nearest_name():
    with pytest.raises(ConfigError, match="did you mean 'happiness'"):
        sample_expression("hapiness", np.random.default_rng(0))


@pytest.mark.parametrize("name", PROTOTYPES)
def test_every_expression_consumes_the_same_draws(name):
    rng, reference = np.random.default_rng(4), np.random.default_rng(4)
    sample_expression(name, rng)
    sample_expression("neutral", reference)
    assert rng.random() == reference.random()


@given(st.integers(0, 1000), st.sampled_from(sorted(PROTOTYPES)), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_strengths_stay_in_range(seed, name, strength):
    shown = sample_expression(name, np.random.default_rng(seed), strength)
    assert all(0 <= value <= 1 for pair in shown.units.values() for value in pair)
    assert (sample_expressivity(seed).activation(shown) >= 0).all()


def test_contempt_is_one_sided_and_coded_so():
    sides = set()
    for seed in range(20):
        shown = sample_expression("contempt", np.random.default_rng(seed), 1.0, 0.0)
        (unit, side, _), *_ = [note for note in shown.coded() if note[0] == 14]
        sides.add(side)
        left, right = shown.units[unit]
        assert (left > 3 * right) == (side == "R") and (right > 3 * left) == (side == "L")
    assert sides == {"L", "R"}


def test_activation_is_linear_in_strength():
    shown = Expression("happiness", {12: (1.0, 1.0), 6: (0.8, 0.8)})
    person = sample_expressivity(3)
    assert np.allclose(person.activation(shown, 0.25), 0.25 * person.activation(shown))
    assert channel(person.activation(shown), 12, 0) > 0 and channel(person.activation(shown), 4, 0) == 0


MOVES = [  # unit, landmark, axis, sign: where FACS says that the unit moves what
    (1, 21, 1, -1), (2, 17, 1, -1), (4, 21, 1, +1), (12, 48, 1, -1), (12, 48, 0, -1), (12, 54, 0, +1), (15, 48, 1, +1),
    (20, 54, 0, +1), (26, 8, 1, +1), (9, 31, 1, -1), (17, 57, 1, -1), (5, 37, 1, -1), (43, 37, 1, +1), (25, 57, 1, +1),
]  # fmt: skip


@pytest.mark.parametrize(("unit", "point", "axis", "sign"), MOVES)
def test_units_move_landmarks_as_facs_says_and_in_proportion(unit, point, axis, sign):
    strengths = np.linspace(0, 1, 5)
    places = [points_in_ipd(11, both_sides(unit, s))[point, axis] for s in strengths]
    shift = sign * (places[-1] - places[0])
    assert shift > 0.015, f"AU{unit} moves point {point} by {shift:.3f} IPD"
    assert np.corrcoef(strengths, places)[0, 1] * sign > 0.9


def test_a_unit_on_one_side_leaves_the_other_corner_alone():
    activation = REST.copy()
    activation[2 * ACTION_UNITS.index(12)] = 1.0
    moved = points_in_ipd(11, activation) - points_in_ipd(11, REST)
    assert np.hypot(*moved[48]) > 0.1 and np.hypot(*moved[54]) < 0.01


def test_images_change_where_the_landmarks_move():
    identity = cached_identity(11)
    rest, _, points = draw_face(identity, REST, Pose())
    smile = draw_face(identity, both_sides(12), Pose())[0]
    change = np.abs(smile.astype(int) - rest).mean(axis=2)
    x, y = points[[48, 54]].mean(axis=0).astype(int)
    assert change[y - 25 : y + 25, x - 45 : x + 45].mean() > 5 * change[:60].mean() + 1


def test_closed_eyes_have_no_opening():
    face = cached_identity(11).face
    assert eye(face, both_sides(43), 0).opening < 0.3 * eye(face, REST, 0).opening
    assert mouth(face, REST).gap == 0 < mouth(face, both_sides(26) + both_sides(25)).gap


def test_catmull_rom_passes_through_its_controls_and_sums_to_one():
    matrix = catmull_rom(5, 9)
    assert np.allclose(matrix.sum(1), 1)
    assert np.allclose(matrix[::2], np.eye(5), atol=1e-6)


# ---------------------------------------------------------------------------------------------------- landmarks


def test_landmarks_follow_camera_and_pose():
    identity = cached_identity(4)
    _, points = render_frame(identity, REST, Camera(200, 300, 50.0, 0.4, 0.5))
    left, right, nose, *_ = five_points(points)
    assert right[0] - left[0] == pytest.approx(50.0 * 2 * identity.face.eye_dx, rel=0.02)
    assert (left[0] + right[0]) / 2 == pytest.approx(0.4 * 300, abs=3) and nose[1] > left[1]
    _, rolled = render_frame(identity, REST, CAMERA, Pose(roll=10))
    slope = np.degrees(np.arctan2(*(five_points(rolled)[1] - five_points(rolled)[0])[::-1]))
    assert slope == pytest.approx(-10, abs=1.5)


def test_yaw_moves_the_nose_more_than_the_eyes():
    straight, turned = (draw_face(cached_identity(4), REST, Pose(yaw=yaw))[2] for yaw in (0.0, 0.2))
    shift = (turned - straight)[:, 0]
    assert shift[30] > shift[36:48].mean() + 1 and shift[30] > 2


def test_landmarks_mark_what_is_drawn():
    """The iris and the dark line of the mouth lie where the landmarks say."""
    identity = build_identity(8, brow_density=0.6)
    image, points = render_frame(identity, REST, portrait_camera(256, 1.0))
    grey = image.mean(axis=2)
    for centre in five_points(points)[:2]:
        x, y = centre.astype(int)
        patch = grey[y - 14 : y + 15, x - 25 : x + 26]
        dark = np.argwhere(patch < np.percentile(patch, 6))
        assert np.abs(dark.mean(0) - (14, 25)).max() < 8
    x, y = points[[61, 63, 65, 67]].mean(0).astype(int)
    column = grey[y - 12 : y + 13, x]
    assert abs(int(column.argmin()) - 12) <= 3


def test_tracker_noise_is_small_smooth_and_larger_on_the_jaw():
    clip = render_clip(cached_identity(4), ClipPlan("happiness", 20, 0, 18, None, 0.9), CAMERA, 2)
    tracked = track(clip.landmarks, np.random.default_rng(1), 0.012)
    error = np.linalg.norm(tracked - clip.landmarks, axis=2) / eye_distance(clip.landmarks[0])
    assert 0.005 < error[:, 17:].mean() < 0.05
    assert error[:, :17].mean() > 1.5 * error[:, 17:].mean()
    assert np.array_equal(track(clip.landmarks, np.random.default_rng(1), 0.0), clip.landmarks)


# -------------------------------------------------------------------------------------------------------- clips


@given(st.integers(0, 5), st.integers(1, 20), st.integers(1, 20), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_the_envelope_rises_to_the_apex_and_falls_to_the_offset(lead, rise, fall, tail):
    onset, apex, offset = lead, lead + rise, lead + rise + fall
    curve = envelope(offset + 1 + tail, onset, apex, offset)
    assert curve[: onset + 1].max() == 0 and curve[apex] == 1 and curve[offset:].max() == 0
    assert (np.diff(curve[: apex + 1]) >= 0).all() and (np.diff(curve[apex:]) <= 0).all()
    assert (np.diff(envelope(offset + 1, onset, apex, None)) >= 0).all()


def test_drift_starts_at_rest_and_stays_bounded():
    drift = head_drift(np.random.default_rng(0), 400, 4.0)
    assert (drift[0] == 0).all() and 0 < np.abs(drift[:, 0]).max() < 0.03
    assert np.abs(np.diff(drift[:, 2])).max() < np.abs(drift[:, 2]).max()


def test_a_clip_is_strongest_at_its_apex_and_micro_motion_is_sub_pixel():
    plan = ClipPlan("happiness", 17, 2, 8, 14, 0.08, idle=0.0, head_motion=0.0, noise=0.0)
    clip = render_clip(cached_identity(4), plan, portrait_camera(192, 1.0), 6)
    moved = np.linalg.norm(clip.landmarks - clip.landmarks[0], axis=2).max(axis=1)
    assert moved.argmax() == 8 and moved[0] == moved[2] == 0 and moved[14] < 0.02
    assert 0.1 < moved[8] < 1.5


def test_frames_differ_most_at_the_apex():
    plan = ClipPlan("happiness", 17, 2, 8, 14, 0.5, idle=0.0, head_motion=0.0, noise=0.0)
    frames = render_clip(cached_identity(4), plan, portrait_camera(192, 1.0), 6).frames
    change = [np.percentile(np.abs(frame.astype(int) - frames[0]), 99) for frame in frames]
    assert int(np.argmax(change)) in (7, 8, 9) and change[8] > 3 * change[2]


def test_a_neutral_clip_without_motion_is_static():
    plan = ClipPlan("neutral", 5, 0, 2, 4, 0.5, idle=0.0, head_motion=0.0, noise=0.0)
    clip = render_clip(cached_identity(4), plan, CAMERA, 6)
    assert np.abs(clip.landmarks - clip.landmarks[0]).max() == 0
    assert all(np.abs(frame.astype(int) - clip.frames[0]).max() <= 4 for frame in clip.frames)


def test_the_face_box_lies_in_the_image_at_any_pose():
    for seed in range(6):
        _, points, _ = render_still(cached_identity(seed), "surprise", CAMERA, seed)
        x0, y0, x1, y1 = face_box(points)
        assert 0 <= x0 < x1 <= 128 and 0 <= y0 < y1 <= 128


def test_the_scene_has_the_cameras_shape_and_no_face():
    scene = scene_behind(3, 90, 130)
    assert scene.shape == (90, 130, 3) and scene.dtype == np.uint8


# ------------------------------------------------------------------------------------------- faces that detectors see


@pytest.mark.parametrize("size_px", [pytest.param(160, marks=pytest.mark.slow), 192])
def test_dlib_finds_the_faces_and_nothing_in_the_background(size_px):
    dlib = pytest.importorskip("dlib")
    detector = dlib.get_frontal_face_detector()
    camera, hits, false = portrait_camera(size_px, 1.0), 0, 0
    names = sorted(PROTOTYPES)
    for seed in range(50):
        identity = build_identity(4000 + seed, 192)
        image, points, _ = render_still(identity, names[seed % len(names)], camera, seed)
        boxes = detector(image, 0)
        hits += any(_overlap(box, face_box(points)) > 0.4 for box in boxes)
        false += len(detector(scene_behind(identity.seed, size_px, size_px), 0))
    assert hits >= 49 and false == 0


def _overlap(box, truth) -> float:
    x0, y0, x1, y1 = box.left(), box.top(), box.right(), box.bottom()
    across = max(0.0, min(x1, truth[2]) - max(x0, truth[0])) * max(0.0, min(y1, truth[3]) - max(y0, truth[1]))
    return across / ((x1 - x0) * (y1 - y0) + (truth[2] - truth[0]) * (truth[3] - truth[1]) - across)


@pytest.mark.slow
def test_dlib_finds_three_hundred_faces_with_darkness_and_pose():
    dlib = pytest.importorskip("dlib")
    detector = dlib.get_frontal_face_detector()
    names, found = sorted(PROTOTYPES), 0
    for seed in range(300):
        image, _, _ = render_still(
            build_identity(9000 + seed, 192), names[seed % len(names)], portrait_camera(192, 1.0), seed
        )
        found += len(detector(image, 0)) > 0
    assert found >= 0.98 * 300
