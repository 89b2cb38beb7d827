"""Every view of fernas/views holds the contract that inputs, planning, tables and prediction build on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fernas.core import plugins
from fernas.core.errors import ConfigError
from fernas.study import Study
from fernas.views._base import FaceFrames, Phases, View
from tests.fixtures.input_tables import FRAMES, TRANSFORM
from tests.fixtures.rendered_clips import Shelf

PHASES = Phases(1, 5, len(FRAMES) - 2, len(FRAMES))
views = pytest.mark.parametrize("kind", plugins.available("views"))


def made(plugin, options, images=FRAMES):
    """What a view makes of a clip, and the positions of the frames that it decoded."""
    shelf = Shelf({"toy/c": images})
    positions = plugin.positions(PHASES, options)
    references = tuple(f"toy/c#{position}" for position in positions)
    array = plugin.make(FaceFrames("toy", references, TRANSFORM, shelf.read), options)
    return array, sorted(int(reference.split("#")[1]) for reference in shelf.reads)


@views
def test_it_describes_itself_and_refuses_other_options(kind):
    plugin = plugins.load("views", kind)
    assert isinstance(plugin, View) and plugin.name == kind
    options = plugin.options({})
    text = plugin.text(options)
    assert text.startswith(f"{options.size} px ") and len(text) < 80 and plugin.span_text(options)
    with pytest.raises(ConfigError, match=r"sise: unknown key \(did you mean 'size'\?\)"):
        plugin.options({"sise": 24})


@views
def test_what_it_makes_has_its_shape_type_and_range(kind):
    plugin = plugins.load("views", kind)
    for options in ({}, {"size": 24}):
        chosen = plugin.options(options)
        array, _ = made(plugin, chosen)
        assert array.shape == plugin.shape(chosen) and array.dtype == plugin.dtype
        assert np.isfinite(array).all() and array.min() != array.max()
        if plugin.holds_features:
            assert array.dtype == np.float32 and array.shape[:2] == (1, 1)
        else:
            assert array.dtype == np.uint8 and array.shape == (chosen.size, chosen.size, 3)


@views
def test_images_are_grey_where_the_config_says_so(kind):
    plugin = plugins.load("views", kind)
    if "colour" not in plugin.Config.model_fields:
        pytest.skip("it has no option `colour`")
    options = plugin.options({"size": 24, "colour": "grey"})
    assert made(plugin, options)[0].shape == plugin.shape(options) == (24, 24, 1)


@views
def test_it_reads_each_of_its_frames_once_in_the_order_of_time(kind):
    plugin = plugins.load("views", kind)
    options = plugin.options({"size": 24})
    positions = plugin.positions(PHASES, options)
    assert positions == sorted(set(positions)) and 0 <= positions[0] and positions[-1] < PHASES.frames
    assert made(plugin, options)[1] == positions


@views
def test_the_same_frames_give_the_same_bits(kind):
    plugin = plugins.load("views", kind)
    options = plugin.options({"size": 24})
    assert made(plugin, options)[0].tobytes() == made(plugin, options)[0].tobytes()


@views
def test_only_a_view_that_needs_clips_shows_motion_and_a_flat_clip_is_mid_grey(kind):
    plugin = plugins.load("views", kind)
    options = plugin.options({"size": 24})
    assert plugin.needs_clips is (len(plugin.positions(PHASES, options)) > 1)
    flat, _ = made(plugin, options, [FRAMES[0]] * len(FRAMES))
    if plugin.needs_clips and not plugin.holds_features:
        assert (flat == 128).all()
    else:
        assert flat.min() != flat.max()


@views
def test_a_clip_whose_phases_are_one_frame_leaves_one_frame_or_the_whole_clip(kind):
    plugin = plugins.load("views", kind)
    positions = plugin.positions(Phases(3, 3, 3, 9), plugin.options({}))
    assert positions == [3]


def test_the_config_of_a_study_names_the_view_and_the_nearest_option():
    document = {"datasets": {}, "tasks": {}, "protocols": {}, "methods": {}, "study": []}
    with pytest.raises(ConfigError, match=r"views\.v: weigths: unknown key \(did you mean 'weights'\?\)"):
        Study.parse({**document, "views": {"v": {"kind": "dynamic", "weigths": "exact"}}})
    with pytest.raises(ConfigError, match=r"views\.v: span: unknown key"):
        Study.parse({**document, "views": {"v": {"kind": "still", "span": "all"}}})
    with pytest.raises(ConfigError, match=r"views\.v\.kind: unknown name 'dynamik' \(did you mean 'dynamic'\?\)"):
        Study.parse({**document, "views": {"v": {"kind": "dynamik"}}})


def test_none_imports_torch_or_opencv_to_be_configured():
    code = (
        "import sys; from fernas.core import plugins\n"
        "for name in plugins.available('views'): plugins.load('views', name).options({})\n"
        "print(sorted({'torch', 'cv2', 'sklearn', 'skimage', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


NEW_VIEW = '''
"""The range of each pixel over a clip."""
import numpy as np
from fernas.views._base import ImageOptions, SpanOptions, SpanView, in_colour

class RangeOptions(SpanOptions, ImageOptions):
    """Options of `range`."""

class Range(SpanView):
    name = "range"
    Config = RangeOptions

    def make(self, frames, options):
        faces = np.stack([in_colour(frames.aligned(n, options.size), options.colour) for n in range(len(frames))])
        return faces.max(0) - faces.min(0)

PLUGIN = Range()
'''
USE_IT = """
import sys
import numpy as np, yaml
from fernas.cli.planning import _shape_of
from fernas.workflow import params
from fernas.core.errors import ConfigError
from fernas.study import Study
from fernas.views.inputs import InputSources, make_inputs
from tests.fixtures.input_tables import clip_tables

document = yaml.safe_load(open(sys.argv[1]))
document["views"]["new"] = {"kind": "range", "size": 16, "colour": "grey", "span": "all"}
document["methods"]["emonas"]["view"] = "new"
try:
    Study.parse(document)
except ConfigError as error:
    assert "its view new (range) is made of clips" in str(error)
else:
    raise SystemExit("a view that needs clips passes on a task of still images")
document["tasks"]["ckplus-3"]["frames"] = {"kind": "clip"}
study = Study.parse(document)
assert _shape_of(study, "new") == (1, 16, 16)
frames = np.random.default_rng(0).integers(0, 256, (12, 60, 60, 3)).astype(np.uint8)
sources = InputSources(*clip_tables([3]), lambda _, reference: frames[int(reference)])
make_inputs(sources, params.view_section(study, "new"), sys.argv[2], sys.argv[3])
array = np.load(sys.argv[2], allow_pickle=False)
assert array.shape == (1, 16, 16, 1) and array.any()
"""


def test_a_new_view_is_one_file(tmp_path):
    root = Path(__file__).resolve().parents[2]
    shutil.copytree(root / "fernas", tmp_path / "fernas", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "fernas" / "views" / "range.py").write_text(NEW_VIEW)
    arguments = [str(root / "configs" / "tiny.yaml"), str(tmp_path / "i.npy"), str(tmp_path / "i.parquet")]
    paths = os.pathsep.join([str(tmp_path), str(root)])
    done = subprocess.run(
        [sys.executable, "-c", USE_IT, *arguments], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": paths},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
