"""Any call of the command line ends with status 0, or with status 2 and a message; it writes to its output only."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from fernas.core.images import write_image
from fernas.core.io import write_json
from fernas.deploy.export import export_onnx
from tests.cli.test_app import PUBLISHED
from tests.fixtures.command_line import call
from tests.fixtures.dataset_trees.files import write_video
from tests.fixtures.final_models import write_final_model
from tests.fixtures.rendered_clips import still

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "tiny.yaml"
OUT = "out"  # the one place that calls may write to

# what stands where a number, a name or a value is expected
NUMBERS = st.sampled_from(["0", "-1", "1", "2", "3", "99999999999", "1" * 30, "nan", "inf", "1e9", "²", "x", ""])
WORDS = st.sampled_from(
    ["", ".", "..", "/", "*", "ä", "\udcff", "x" * 300, "a\nb", "--", "-1", "jaffe", "custom", "loso"]
)
VALUES = st.recursive(
    st.sampled_from([None, True, 0, -1, 2, 10**12, 10**30, 0.5, float("inf"), "", "x", "²", "../x", "x" * 300]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["kind", "size", "x"]), inner, max_size=2)
    ),
    max_leaves=4,
)
BYTES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"", b"[" * 3000, b"\xff\xfea\x00", b"{}", b"a: {", b"9" * 5000, b"PAR1", b"PK\x03\x04", b"%PDF"]),
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A sound file of each kind that a command reads."""
    root = tmp_path_factory.mktemp("sound")
    for number in range(3):
        write_image(root / "frames" / f"{number}.png", still(number)[0][::4, ::4])
    shutil.copy(root / "frames" / "0.png", root / "face.png")
    write_video(root / "clip.avi", 3)
    write_json(root / "cells.json", PUBLISHED["autofernet"])
    table = {"sample_id": ["a", "b", "c", "d"], "fold": [0, 0, 1, 1], "subject": ["1", "1", "2", "2"]}
    table |= {"label": ["x", "y", "x", "y"], "p_x": [0.6, 0.2, 0.7, 0.1], "p_y": [0.4, 0.8, 0.3, 0.9]}
    pd.DataFrame(table).to_parquet(root / "p.parquet")
    pd.DataFrame(table).to_csv(root / "p.csv", index=False)
    (root / "data").mkdir()
    shutil.copy(root / "face.png", root / "data" / "a.png")
    (root / "data" / "t.csv").write_text("path,label,subject\na.png,x,1\nb.png,y,2\n")
    document = yaml.safe_load(CONFIG.read_text())
    (root / "study.yaml").write_text(yaml.safe_dump(document | {"results": f"{OUT}/results"}))
    export_onnx(write_final_model(root / "final"), root / "m.onnx")
    return root


def files_of(root):
    """Path -> bytes of all files below a folder; None of what is no regular file."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in root.rglob("*")
    }


def damage_config(draw, path):
    """One value of a config is another."""
    document = yaml.safe_load(path.read_text())
    node, keys = document, draw(st.integers(1, 4))
    for _ in range(keys):
        key = draw(st.sampled_from(sorted(node)))
        if not isinstance(node[key], dict) or not node[key]:
            break
        node, last = node[key], node
        del last
    node[draw(st.sampled_from([*sorted(node), "x"]))] = draw(VALUES)
    document["results"] = f"{OUT}/results"
    path.write_text(yaml.safe_dump(document, allow_unicode=False))


def damage_json(draw, path):
    document = json.loads(path.read_text())
    document[draw(st.sampled_from([*sorted(document), "network", "origin", "x"]))] = draw(VALUES)
    path.write_text(json.dumps(document))


def damage_table(draw, path):
    table = pd.read_parquet(path)
    table[draw(st.sampled_from([*table.columns, "dataset", "group"]))] = draw(
        st.sampled_from(
            [[[1], [2], [3], [4]], [{"a": 1}] * 4, [None] * 4, [True] * 4, [1.5, None, 2, 3], ["", "é", "a", "b"]]
        )
    )
    table.to_parquet(path)


def damage_metadata(draw, path):
    import onnx

    document = onnx.load(str(path))
    entry = draw(st.sampled_from(list(document.metadata_props)))
    record = json.loads(entry.value)
    record[draw(st.sampled_from([*sorted(record), "x"]))] = draw(VALUES)
    entry.value = json.dumps(record)
    onnx.save(document, str(path))


DAMAGES = {".yaml": damage_config, ".json": damage_json, ".parquet": damage_table, ".onnx": damage_metadata}
OUTPUTS = st.sampled_from(
    [f"{OUT}/new", f"{OUT}/new.png", f"{OUT}/a/b.svg", OUT, f"{OUT}/file/below", f"{OUT}/" + "x" * 300]
)
PLACES = st.sampled_from(["frames", "face.png", "clip.avi", "cells.json", "p.parquet", "p.csv", "data", "data/t.csv",
                          "study.yaml", "final", "m.onnx", "absent", "broken", "."])  # fmt: skip
PAIRS = st.builds("{}={}".format, st.sampled_from(["seed", "file", "x", ""]),
                  st.sampled_from(["{", "1", "!!python/object:x y", "[" * 3000, "true", "x", "1" * 5000]))  # fmt: skip
OPTIONS = st.lists((PAIRS | WORDS).map(lambda text: f"--option={text}"), max_size=2)


def of(usual):
    """The usual file mostly, else any."""
    return st.one_of(st.just(usual), st.just(usual), PLACES)


def flag(name, values):
    """An option with a value, or none."""
    return st.one_of(st.just([]), values.map(lambda value: [name, value]))


def words(*parts):
    """The arguments of a call: each part is a word, or a list of words."""
    return st.tuples(*parts).map(
        lambda given: [w for part in given for w in ([part] if isinstance(part, str) else part)]
    )


RESULTS = st.sampled_from([f"{OUT}/results", f"{OUT}/file", "absent"])
CALLS = st.one_of(
    words(st.just("check"), of("study.yaml"), st.sampled_from([[], ["--json"]])),
    words(st.just("plan"), of("broken"), flag("--nodes", NUMBERS), flag("--cores", NUMBERS), WORDS),
    words(st.just("check-data"), st.sampled_from(["custom", "jaffe", "megc2019", "x", ""]), of("data"), OPTIONS),
    words(st.just("synth"), st.sampled_from(["x", "", "jaffe"]), OUTPUTS, flag("--seed", NUMBERS),
          st.sampled_from([["--subjects", "0"], ["--subjects", "1" * 20], ["--option", "size_px=x"]]), OPTIONS),
    words(st.just("dynamic-image"), of("frames"), st.just("-o"), OUTPUTS, flag("--method", WORDS)),
    words(st.just("complexity"), of("cells.json"), flag("--cells", NUMBERS), flag("--channels", NUMBERS),
          flag("--classes", NUMBERS), flag("--input", st.sampled_from(["1x48x48", "²x1x1", "0x0x0", "9x9999x9999"])),
          st.just("--no-latency")),
    words(st.just("draw"), of("cells.json"), st.just("-o"), OUTPUTS, st.sampled_from([[], ["--force"]])),
    words(st.just("score"), of("p.parquet"), flag("--protocol", WORDS), st.sampled_from([[], ["--json"]])),
    words(st.just("compare"), of("p.parquet"), of("p.csv"), flag("--results", RESULTS)),
    words(st.just("export"), of("broken"), st.just("-o"), OUTPUTS),
    words(st.just("predict"), of("m.onnx"), of("face.png"), flag("--faces", WORDS), flag("--annotate", OUTPUTS)),
    words(st.just("predict"), st.just("m.onnx"), st.just("--camera"), NUMBERS, st.just("--frames"), NUMBERS),
    words(st.just("report"), of("broken")),
    words(st.just("clean"), of("study.yaml"), st.sampled_from([[], ["--left-over"], ["--left-over", "--dry-run"]])),
    words(st.just("retry-failed"), of("study.yaml")),
    words(st.just("track"), st.just("sync"), flag("--results", RESULTS), flag("--uri", WORDS)),
    words(st.just("track"), st.just("follow"), st.just("--parent"), st.just("999999999"), st.just("--results"), RESULTS,
          flag("--every", NUMBERS), flag("--uri", WORDS)),
    words(st.just("track"), st.just("ui"), flag("--results", RESULTS), flag("--port", NUMBERS)),
    words(WORDS, WORDS, WORDS),
)  # fmt: skip


def check_any_call(sound, data):
    arguments = data.draw(CALLS)
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "work"
        shutil.copytree(sound, root)
        (root / OUT).mkdir()
        (root / OUT / "file").write_text("kept")
        (root / "broken").write_bytes(data.draw(BYTES))
        for argument in dict.fromkeys(arguments):
            damage = DAMAGES.get(Path(argument).suffix)
            if damage is not None and (root / argument).is_file() and data.draw(st.booleans()):
                damage(data.draw, root / argument)
        before, here = files_of(root), Path.cwd()
        os.chdir(root)
        try:
            answer = call(*arguments)
        finally:
            os.chdir(here)
        after = files_of(root)
    changed = {path for path in before.keys() | after.keys() if before.get(path, 0) != after.get(path, 0)}
    assert {path for path in changed if path.split("/")[0] != OUT} == set(), arguments
    assert "Traceback" not in answer.err, answer
    assert answer.status in (0, 2), answer
    if answer.status:
        said = [line for line in answer.err.splitlines() if re.match(r"\w*Error: |Usage: |WARNING: ", line)]
        assert len(said) == 1 or "trained on rendered faces" in answer.err, answer


COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@settings(**COMMON, max_examples=50, derandomize=True, phases=[Phase.generate])
@given(data=st.data())
def test_any_call_ends_with_an_answer_or_a_message(sound, data):
    check_any_call(sound, data)


@pytest.mark.slow
@settings(**COMMON, max_examples=1000)
@given(data=st.data())
def test_a_thousand_calls_end_with_an_answer_or_a_message(sound, data):
    check_any_call(sound, data)
