"""The audit of a dataset: counts, unreadable images, duplicates, rendered truth."""

import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from fernas.core import plugins
from fernas.core.config import AuditConfig
from fernas.core.images import read_image
from fernas.core.io import to_json
from fernas.datasets.audit import audit_dataset, why_refused
from fernas.datasets.card import data_card
from fernas.datasets.check import check_data
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest
from tests.fixtures.dataset_trees.casme2 import EXPECTED as CASME2
from tests.fixtures.dataset_trees.casme2 import write_casme2
from tests.fixtures.dataset_trees.ckplus import EXPECTED as CKPLUS
from tests.fixtures.dataset_trees.ckplus import write_ckplus
from tests.fixtures.dataset_trees.fer2013 import FER_LABELS, FER_USAGE, write_fer2013_csv
from tests.fixtures.dataset_trees.smic import write_smic_raw

SPEC = plugins.load("datasets", "ckplus").spec
JSON_KEYS = {"dataset", "samples", "subjects", "classes", "splits", "problems"}


def test_counts_beside_the_published_ones(tmp_path):
    write_ckplus(tmp_path)
    found = check_data("ckplus", tmp_path)
    assert JSON_KEYS <= set(found) and not found["fatal"]
    assert (found["samples"], found["subjects"]) == (6, 4)
    assert found["classes"] == {
        "anger": 1, "contempt": 1, "disgust": 1, "happiness": 1, "sadness": 1, "surprise": 1,
    }  # fmt: skip
    assert found["per_subject"]["ckplus/S501"] == {"happiness": 1, "sadness": 1}
    assert "1 samples of class anger, 45 are published" in found["problems"]
    assert "0 samples of class fear, 25 are published" in found["problems"]
    assert "4 subjects, 118 are published" in found["problems"]
    json.loads(to_json(found))


def test_splits_are_counted(tmp_path):
    write_fer2013_csv(tmp_path)
    found = check_data("fer2013", tmp_path)
    assert found["splits"] == {"Training": 18, "PublicTest": 6, "PrivateTest": 6}
    assert found["sizes"] == {"48x48": 30}


def test_an_image_that_does_not_decode_is_named(tmp_path):
    write_smic_raw(tmp_path)
    peak = tmp_path / "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559743.bmp"
    data = bytearray(peak.read_bytes())
    data[14:18] = b"\x99\x99\x00\x00"  # a header that cannot be, while both ends of the file look right
    peak.write_bytes(bytes(data))
    found = check_data("smic", tmp_path)
    assert len(found["unreadable"]) == 1 and "image559743.bmp" in found["unreadable"][0]
    assert any("image559743.bmp" in problem for problem in found["problems"])


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_empty_and_cut_images_exclude_their_sample(tmp_path, keep):
    write_casme2(tmp_path)
    victim = tmp_path / "Cropped/sub02/EP09f/reg_img6.jpg"
    data = victim.read_bytes()
    victim.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    found = check_data("casme2", tmp_path)
    assert (
        list(found["excluded"]) == ["casme2/sub02/EP09f"] and "reg_img6.jpg" in found["excluded"]["casme2/sub02/EP09f"]
    )
    assert found["samples"] == len(CASME2) - 1 and not found["fatal"]


def test_more_than_half_lost_is_fatal(tmp_path):
    write_smic_raw(tmp_path)
    for name in ("s1/micro/negative/s1_ne_01", "s2/micro/positive/s2_po_03"):
        (tmp_path / f"SMIC_all_raw/HS/{name}/image559741.bmp").write_bytes(b"")
    found = check_data("smic", tmp_path)
    assert found["fatal"] and "none of 2 samples can be used" in found["problems"][0]


def test_truth_decides_for_rendered_datasets(tmp_path):
    write_ckplus(tmp_path)
    table = build_manifest("ckplus", tmp_path)
    clips = [
        {"sample_id": name, "label": label, "subject": name.rsplit("/", 1)[0], "frames": n, "onset": 0, "apex": n - 1}
        for name, (label, n) in CKPLUS.items()
    ]
    truth = {"samples": 6, "subjects": 4, "classes": {}, "splits": {}, "clips": clips, "rendered": True}
    found = audit_dataset(SPEC, table, FrameReader({"ckplus": tmp_path}), truth)
    assert found["problems"] == [] and not found["fatal"] and found["rendered"]
    clips[0]["label"] = "fear"
    found = audit_dataset(SPEC, table, FrameReader({"ckplus": tmp_path}), truth)
    assert found["fatal"] and f"{clips[0]['sample_id']}: label is 'disgust', 'fear' was rendered" in found["problems"]


def planted(root, labels=None):
    """A FER2013 csv of faces-like noise with one exact copy and one almost equal image across the splits."""
    rng = np.random.default_rng(5)
    images = [np.kron(rng.integers(30, 220, (12, 12)), np.ones((4, 4))).astype(np.uint8) for _ in range(30)]
    images[20] = images[2].copy()
    images[26] = np.clip(images[3].astype(int) + rng.integers(-6, 7, (48, 48)) + 4, 0, 255).astype(np.uint8)
    lines = ["emotion,pixels,Usage"]
    for row, (label, usage) in enumerate(zip(FER_LABELS, FER_USAGE, strict=True)):
        pixels = " ".join(str(v) for v in images[row].ravel())
        lines.append(f"{(labels or {}).get(row, label)},{pixels},{usage}")
    (root / "fer2013.csv").write_text("\n".join(lines))


def test_planted_duplicates_are_found_across_splits(tmp_path):
    planted(tmp_path)
    found = check_data("fer2013", tmp_path)
    assert found["duplicates"]["exact"] == [["fer2013/PublicTest/20", "fer2013/Training/2"]]
    ((one, two, distance, value),) = found["duplicates"]["near"]
    assert (one, two) == ("fer2013/PrivateTest/26", "fer2013/Training/3") and distance <= 4 and 0.98 <= value < 1
    assert not found["fatal"]
    assert any("1 pairs of equal images, 1 across official splits" in problem for problem in found["problems"])
    assert any("1 pairs of almost equal images, 1 across official splits" in p for p in found["problems"])


def test_near_duplicates_of_large_images_are_confirmed_on_the_source(tmp_path):
    """Frames of one subject are alike and not reported; an image that two subjects share is."""
    write_ckplus(tmp_path)
    noise = np.random.default_rng(0).integers(0, 2, (48, 64)).astype(np.uint8)
    grey = read_image(tmp_path / "cohn-kanade-images/S130/007/S130_007_00000012.png")[:, :, 0]
    Image.fromarray(grey // 2 + 60 + noise).save(tmp_path / "cohn-kanade-images/S501/001/S501_001_00000005.png")
    Image.fromarray(grey // 2 + 60).save(tmp_path / "cohn-kanade-images/S501/006/S501_006_00000009.png")
    found = check_data("ckplus", tmp_path)["duplicates"]["near"]
    assert {(a, b) for a, b, *_ in found} == {
        ("ckplus/S130/007", "ckplus/S501/001"), ("ckplus/S130/007", "ckplus/S501/006"),
    }  # fmt: skip


def saved_again(root, subject, sequence, copy, frames=None):
    """A sequence of CK+ under another subject's name: the same pixels in other bytes, with all labels."""
    for kind, name in (("cohn-kanade-images", "png"), ("Landmarks", "txt"), ("FACS", "txt"), ("Emotion", "txt")):
        files = sorted((root / kind / subject / sequence).glob(f"*.{name}"))
        for path in files[:frames] if kind in {"cohn-kanade-images", "Landmarks"} else files:
            target = root / kind / copy / sequence / path.name.replace(subject, copy)
            target.parent.mkdir(parents=True, exist_ok=True)
            if name == "txt":
                target.write_bytes(path.read_bytes())
            else:
                Image.open(path).save(target, compress_level=1)
                assert target.read_bytes() != path.read_bytes()


def test_equal_pixels_in_other_bytes_are_an_exact_duplicate(tmp_path):
    write_ckplus(tmp_path)
    saved_again(tmp_path, "S010", "002", "S777")
    found = check_data("ckplus", tmp_path)["duplicates"]
    assert found["exact"] == [["ckplus/S010/002", "ckplus/S777/002"]] and found["near"] == []


def test_a_copied_clip_with_another_apex_shares_its_onset(tmp_path):
    write_ckplus(tmp_path)
    saved_again(tmp_path, "S010", "002", "S777", frames=-1)
    for kind, name in (("Emotion", "emotion"), ("FACS", "facs")):
        path = tmp_path / kind / "S777/002" / f"S777_002_00000008_{name}.txt"
        path.rename(path.with_name(f"S777_002_00000007_{name}.txt"))
    assert check_data("ckplus", tmp_path)["duplicates"]["exact"] == [["ckplus/S010/002", "ckplus/S777/002"]]


def test_black_first_frames_of_two_people_are_no_copies(tmp_path):
    write_ckplus(tmp_path)
    for subject, sequence in (("S005", "001"), ("S010", "002")):
        path = tmp_path / f"cohn-kanade-images/{subject}/{sequence}/{subject}_{sequence}_00000001.png"
        Image.new("L", Image.open(path).size).save(path)
    assert check_data("ckplus", tmp_path)["duplicates"]["exact"] == []


def test_equal_images_with_different_labels_are_listed_and_near_ones_counted(tmp_path):
    planted(tmp_path, labels={20: 3})
    found = check_data("fer2013", tmp_path)
    pair = ["fer2013/PublicTest/20", "fer2013/Training/2", "happiness", "fear"]
    assert found["duplicates"]["other_labels"] == [pair]
    assert found["duplicates"]["near_other_labels"] == 1
    problem = (
        "1 pairs of equal images with different labels, first fer2013/PublicTest/20 (happiness) and "
        "fer2013/Training/2 (fear)"
    )
    assert problem in found["problems"]
    assert "1 pairs of almost equal images with different labels" in found["problems"]
    card = data_card(plugins.load("datasets", "fer2013").spec, build_manifest("fer2013", tmp_path), found)
    assert "- `fer2013/PublicTest/20` happiness, `fer2013/Training/2` fear" in card
    assert "1 pairs of equal images and 1 pairs of almost equal ones have different labels." in card


def test_duplicates_with_one_label_are_no_conflict(tmp_path):
    planted(tmp_path, labels={26: 3})
    found = check_data("fer2013", tmp_path)
    assert found["duplicates"]["other_labels"] == [] and found["duplicates"]["near_other_labels"] == 0
    assert not any("different labels" in problem for problem in found["problems"])


def audit_against(root, **published):
    """The audit of CK+ at a root as if other numbers were published."""
    table = build_manifest("ckplus", root)
    spec = replace(SPEC, **{"subjects": 4, "counts": Counter(table["label"].dropna()), **published})
    table.attrs["expected"] = {}
    return audit_dataset(spec, table, FrameReader({"ckplus": root}))


def test_other_counts_than_the_published_ones_stop_a_run_unless_the_config_allows_them(tmp_path):
    write_ckplus(tmp_path)
    assert audit_against(tmp_path)["not_as_published"] == []
    found = audit_against(tmp_path, counts={"anger": 1, "disgust": 2, "fear": 0})
    assert found["not_as_published"] == ["1 samples of class disgust, 2 are published"] and not found["fatal"]
    assert why_refused(found, AuditConfig()).startswith("not as published: 1 samples of class disgust, 2 are published")
    assert "audit: {counts: report}" in why_refused(found, AuditConfig())
    assert why_refused(found, AuditConfig(counts="report")) is None


def test_a_class_that_was_blown_up_is_not_as_published(tmp_path):
    write_ckplus(tmp_path)
    table = build_manifest("ckplus", tmp_path)
    more = {"anger": int((table["label"] == "anger").sum()) - 1}
    assert audit_against(tmp_path, counts=more)["not_as_published"] == ["1 samples of class anger, 0 are published"]


def test_samples_that_had_to_be_excluded_explain_a_missing_count(tmp_path):
    write_ckplus(tmp_path)
    whole = audit_against(tmp_path)["classes"]
    broken = tmp_path / "cohn-kanade-images/S010/002/S010_002_00000008.png"
    broken.write_bytes(broken.read_bytes()[:60])
    found = audit_against(tmp_path, counts=whole)
    assert list(found["excluded"]) == ["ckplus/S010/002"] and found["not_as_published"] == []
    assert "0 samples of class anger, 1 are published" in found["problems"]
    assert why_refused(found, AuditConfig()) is None
    assert why_refused(found, AuditConfig(excluded="fail")).startswith("1 samples cannot be used: ckplus/S010/002: ")
    # one more than was excluded is missing: that is no longer explained
    assert audit_against(tmp_path, counts=whole | {"anger": 2})["not_as_published"]


def test_a_form_without_subjects_is_as_published_and_other_numbers_of_subjects_are_not(tmp_path):
    write_ckplus(tmp_path)
    assert audit_against(tmp_path, subjects=5)["not_as_published"] == ["4 subjects, 5 are published"]
    table = build_manifest("ckplus", tmp_path).assign(subject=None)
    table.attrs["expected"] = {}
    spec = replace(SPEC, subjects=4, counts={})
    found = audit_dataset(spec, table, FrameReader({"ckplus": tmp_path}))
    assert found["not_as_published"] == [] and "0 subjects, 4 are published" in found["problems"]
