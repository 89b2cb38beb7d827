"""From manifests to the samples of a task."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fernas.core.config import FrameRule, TaskConfig
from fernas.core.errors import ConfigError, ContractError, DataError
from fernas.core.io import write_parquet
from fernas.datasets.manifest import build_manifest
from fernas.datasets.tasks import peak_positions, read_samples, task_samples, with_inputs, write_samples
from tests.fixtures.dataset_trees.casme2 import write_casme2
from tests.fixtures.dataset_trees.ckplus import write_ckplus
from tests.fixtures.dataset_trees.fer2013 import write_fer2013_csv
from tests.fixtures.dataset_trees.samm import write_samm

SEVEN = ("anger", "disgust", "happiness", "sadness", "surprise", "contempt", "neutral")


def task(dataset="ckplus", classes=SEVEN, **more):
    rule = {"frames": FrameRule(kind="peak", peak=3, neutral=1), "rare": "keep", "min_subjects": 1, "min_samples": 1}
    return TaskConfig(dataset=dataset, classes=classes, view="v", **{**rule, **more})


@pytest.fixture
def ckplus(tmp_path):
    write_ckplus(tmp_path)
    return build_manifest("ckplus", tmp_path)


def test_last_frames_carry_the_label_and_the_first_is_neutral(ckplus):
    table = task_samples(ckplus, task())
    one = table[table["source_id"] == "ckplus/S005/001"]
    assert dict(zip(one["sample_id"], one["label"], strict=True)) == {
        "ckplus/S005/001/f00000": "neutral", "ckplus/S005/001/f00008": "disgust", "ckplus/S005/001/f00009": "disgust",
        "ckplus/S005/001/f00010": "disgust",
    }  # fmt: skip
    assert list(one["positions"]) == [[0], [8], [9], [10]]
    assert (one["group"] == "ckplus/S005/001").all() and (one["subject"] == "ckplus/S005").all()
    assert len(table) == 6 * 4 and (table["class_index"] == [SEVEN.index(label) for label in table["label"]]).all()
    assert table["sha256"].nunique() == len(table)
    peak = table[table["sample_id"] == "ckplus/S005/001/f00010"]["sha256"].iloc[0]
    assert peak == ckplus.set_index("sample_id")["sha256"]["ckplus/S005/001"]


def test_neutral_is_only_taken_where_it_is_a_class(ckplus):
    table = task_samples(ckplus, task(classes=("anger", "disgust", "surprise")))
    assert len(table) == 9 and table.attrs["unused"] == {"contempt": 1, "happiness": 1, "sadness": 1}


def test_label_map_by_canonical_or_raw_label(ckplus):
    mapping = {"anger": "negative", "disgust": "negative", "5": "positive"}
    table = task_samples(ckplus, task(classes=("negative", "positive"), label_map=mapping))
    assert table["label"].value_counts().to_dict() == {"negative": 6, "positive": 3}


def test_label_map_to_no_class_or_from_nothing(ckplus):
    with pytest.raises(ConfigError, match=r"label_map.anger: 'negativ' is no class \(did you mean 'negative'"):
        task_samples(ckplus, task(classes=("negative", "positive"), label_map={"anger": "negativ"}))
    with pytest.raises(ConfigError, match="label_map knows rage; the dataset has"):
        task_samples(ckplus, task(classes=("negative", "positive"), label_map={"rage": "negative"}))


def test_rare_rule(ckplus):
    ckplus["label"] = ["anger", "anger", "anger", "disgust", "surprise", "surprise"]
    ckplus["raw_label"] = ckplus["label"]
    three = ("anger", "disgust", "surprise")
    assert list(ckplus["subject"]) == [f"ckplus/S{n}" for n in ("005", "010", "010", "130", "501", "501")]
    dropped = task_samples(ckplus, task(classes=three, rare="keep", min_subjects=2))
    assert dropped.attrs["classes"] == list(three) and dropped.attrs["dropped"] == {}
    kept = task_samples(ckplus, task(classes=three, rare="drop", min_samples=6))
    assert kept.attrs["classes"] == ["anger", "surprise"]
    assert kept.attrs["dropped"] == {"disgust": "3 samples, needs 6"}
    assert set(kept["class_index"]) == {0, 1}
    with pytest.raises(DataError, match="disgust: 1 subjects, needs 2; surprise: 1 subjects, needs 2"):
        task_samples(ckplus, task(classes=three, rare="error", min_subjects=2))
    with pytest.raises(DataError, match="1 classes left"):
        task_samples(ckplus, task(classes=three, rare="drop", min_subjects=2))


@pytest.mark.parametrize("classes", [SEVEN, ("anger", "disgust", "surprise")])
def test_stored_samples_are_the_samples_with_classes_dropped_and_unused_labels(ckplus, tmp_path, classes):
    ckplus["label"] = ckplus["raw_label"] = ["anger", "anger", "anger", "disgust", "surprise", "happiness"]
    samples = task_samples(ckplus, task(classes=classes, rare="drop", min_samples=3, min_subjects=1))
    assert samples.attrs["dropped"] or samples.attrs["unused"]
    write_samples(tmp_path / "samples.parquet", samples)
    stored = read_samples(tmp_path / "samples.parquet")
    pd.testing.assert_frame_equal(stored, samples)
    assert stored.attrs == samples.attrs and list(stored.attrs["classes"]) == list(samples.attrs["classes"])
    assert [type(row) for row in stored["positions"]] == [list] * len(samples)


def test_a_file_that_holds_no_samples_is_refused(ckplus, tmp_path):
    with pytest.raises(DataError, match=r"samples.parquet: no such file"):
        read_samples(tmp_path / "samples.parquet")
    write_parquet(tmp_path / "samples.parquet", ckplus)
    with pytest.raises(ContractError, match="samples.parquet: no samples of a task: source_id"):
        read_samples(tmp_path / "samples.parquet")
    samples = task_samples(ckplus, task())
    samples.attrs.pop("classes")
    write_samples(tmp_path / "samples.parquet", samples)
    with pytest.raises(ContractError, match="classes missing"):
        read_samples(tmp_path / "samples.parquet")


def test_clips_keep_onset_apex_and_offset(tmp_path):
    write_casme2(tmp_path)
    table = task_samples(
        build_manifest("casme2", tmp_path),
        task("casme2", ("disgust", "happiness", "surprise"), frames=FrameRule(kind="clip")),
    )
    assert dict(zip(table["sample_id"], table["positions"], strict=True)) == {
        "casme2/sub01/EP01_2": [0, 4, 9], "casme2/sub01/EP02_01f": [0, 3, 6], "casme2/sub02/EP09f": [0, 3, 7],
        "casme2/sub04/EP12_01f": [0, 4, 8],
    }  # fmt: skip


def test_excluded_rows_stay_out(tmp_path):
    write_samm(tmp_path)
    manifest = build_manifest("samm", tmp_path)
    table = task_samples(manifest, task("samm", ("anger", "others", "surprise"), frames=FrameRule(kind="clip")))
    assert "samm/032/032_3_3" not in set(table["source_id"]) and table.attrs["excluded"] == 1


def test_stills(tmp_path):
    write_fer2013_csv(tmp_path)
    manifest = build_manifest("fer2013", tmp_path)
    table = task_samples(manifest, task("fer2013", SEVEN[:5] + ("neutral",), frames=FrameRule(kind="still")))
    assert set(table["split"]) == {"Training", "PublicTest", "PrivateTest"} and (table["positions"].map(len) == 1).all()
    with pytest.raises(ConfigError, match="frames.kind is clip, but fer2013/"):
        task_samples(manifest, task("fer2013", SEVEN[:5], frames=FrameRule(kind="clip")))


@given(length=st.integers(1, 40), apex=st.integers(0, 39), count=st.integers(1, 7), first=st.integers(0, 5))
def test_peak_positions_fit_and_hold_the_apex(length, apex, count, first):
    first, apex = min(first, length - 1), min(apex, length - 1)
    row = {"onset": 0, "apex": max(apex, first), "offset": length - 1}
    found = peak_positions(row, count, first)
    assert found == list(range(found[0], found[0] + len(found)))
    assert first <= found[0] and found[-1] < length and row["apex"] in found
    assert len(found) == min(count, length - first)


def test_an_even_count_has_one_frame_more_behind_the_peak_than_before_it():
    row = {"onset": 0, "apex": 5, "offset": 9}
    assert [peak_positions(row, count, 0) for count in (1, 2, 3, 4)] == [[5], [5, 6], [4, 5, 6], [4, 5, 6, 7]]


def test_short_sequences_never_label_one_frame_twice():
    row = {"sample_id": "d/s/c", "dataset": "d", "subject": "d/s", "group": "d/s/c", "label": "anger", "raw_label": "1",
           "split": None, "kind": "clip", "frames": ["a", "b"], "onset": 0, "apex": 1, "offset": 1, "sha256": "00",
           "apex_source": "last", "fps": 1.0, "box": None, "attributes": None, "excluded": None}  # fmt: skip
    table = task_samples(pd.DataFrame([row]), task(classes=("anger", "neutral")))
    assert list(zip(table["label"], table["positions"], strict=True)) == [("neutral", [0]), ("anger", [1])]
    single = pd.DataFrame([{**row, "frames": ["a"], "apex": 0, "offset": 0}])
    assert list(task_samples(single, task(classes=("anger", "neutral")))["label"]) == ["anger"]


def test_neutral_of_a_subject_comes_from_its_first_sequence_only(ckplus):
    every = task_samples(ckplus, task("ckplus", SEVEN, frames=FrameRule(kind="peak", peak=1, neutral=2)))
    once = task_samples(
        ckplus, task("ckplus", SEVEN, frames=FrameRule(kind="peak", peak=1, neutral=2, neutral_from="subject"))
    )
    neutral = once[once["label"] == "neutral"]
    assert set(neutral.groupby("subject").size()) == {2}
    for subject, rows in neutral.groupby("subject"):
        assert set(rows["source_id"]) == {every.loc[every["subject"] == subject, "source_id"].iloc[0]}
    assert len(every[every["label"] == "neutral"]) > len(neutral)
    assert (once["label"] != "neutral").sum() == (every["label"] != "neutral").sum()


def test_samples_whose_input_is_excluded_or_absent_are_left_out():
    samples = pd.DataFrame({"sample_id": ["a", "b", "c", "d"], "label": list("xyxy")})
    inputs = pd.DataFrame({"sample_id": ["c", "b", "a"], "excluded": [None, "no face: blank", None]})
    assert with_inputs(samples, inputs)["sample_id"].tolist() == ["a", "c"]
