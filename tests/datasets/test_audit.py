"""Audits, check-data, data cards."""

import json

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from fernas.core import plugins
from fernas.core.errors import ConfigError
from fernas.core.images import read_image
from fernas.core.io import to_json
from fernas.datasets._duplicates import correlations, near_hashes, perceptual_hash
from fernas.datasets.audit import audit_dataset
from fernas.datasets.card import data_card
from fernas.datasets.check import check_data, found_and_expected
from fernas.datasets.frames import FrameReader
from fernas.datasets.manifest import build_manifest
from tests.datasets import trees

SPEC = plugins.load("datasets", "ckplus").spec
JSON_KEYS = {"dataset", "samples", "subjects", "classes", "splits", "problems"}


def test_counts_beside_the_published_ones(tmp_path):
    trees.ckplus(tmp_path)
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
    trees.fer2013_csv(tmp_path)
    found = check_data("fer2013", tmp_path)
    assert found["splits"] == {"Training": 18, "PublicTest": 6, "PrivateTest": 6}
    assert found["sizes"] == {"48x48": 30}


def test_an_image_that_does_not_decode_is_named(tmp_path):
    trees.smic_raw(tmp_path)
    peak = tmp_path / "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559743.bmp"
    data = bytearray(peak.read_bytes())
    data[14:18] = b"\x99\x99\x00\x00"  # a header that cannot be, while both ends of the file look right
    peak.write_bytes(bytes(data))
    found = check_data("smic", tmp_path)
    assert len(found["unreadable"]) == 1 and "image559743.bmp" in found["unreadable"][0]
    assert any("image559743.bmp" in problem for problem in found["problems"])


@pytest.mark.parametrize("keep", [0, 100, 0.5])
def test_empty_and_cut_images_exclude_their_sample(tmp_path, keep):
    trees.casme2(tmp_path)
    victim = tmp_path / "Cropped/sub02/EP09f/reg_img6.jpg"
    data = victim.read_bytes()
    victim.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    found = check_data("casme2", tmp_path)
    assert (
        list(found["excluded"]) == ["casme2/sub02/EP09f"] and "reg_img6.jpg" in found["excluded"]["casme2/sub02/EP09f"]
    )
    assert found["samples"] == len(trees.CASME2) - 1 and not found["fatal"]


def test_what_cannot_be_read_is_fatal_with_its_reason(tmp_path):
    found = check_data("ckplus", tmp_path)
    assert found["fatal"] and found["samples"] == 0 and "no labelled sample of CK+" in found["problems"][0]
    found = check_data("casme2", tmp_path / "absent")
    assert found["fatal"] and "no such folder" in found["problems"][0]
    with pytest.raises(ConfigError):
        check_data("casme3", tmp_path)


def test_more_than_half_lost_is_fatal(tmp_path):
    trees.smic_raw(tmp_path)
    for name in ("s1/micro/negative/s1_ne_01", "s2/micro/positive/s2_po_03"):
        (tmp_path / f"SMIC_all_raw/HS/{name}/image559741.bmp").write_bytes(b"")
    found = check_data("smic", tmp_path)
    assert found["fatal"] and "none of 2 samples can be used" in found["problems"][0]


def test_a_composite_is_read_from_the_folders_of_its_parts(tmp_path):
    trees.casme2(tmp_path / "CASME II")
    trees.samm(tmp_path / "SAMM")
    trees.smic_cropped(tmp_path / "SMIC")
    by_rule = check_data("megc2019", tmp_path)
    assert by_rule["samples"] == 14 and not by_rule["fatal"]
    trees.megc_csv(tmp_path / "combined_3class_gt.csv")
    found = check_data("megc2019", tmp_path)
    assert found["samples"] == 14 and found["excluded"] == {"casme2/sub17/EP15_01": "not in the copy of casme2"}
    assert found["subjects"] == 3 + 4 + 3


def test_truth_decides_for_rendered_copies(tmp_path):
    trees.ckplus(tmp_path)
    table = build_manifest("ckplus", tmp_path)
    clips = [
        {"sample_id": name, "label": label, "subject": name.rsplit("/", 1)[0], "frames": n, "onset": 0, "apex": n - 1}
        for name, (label, n) in trees.CKPLUS.items()
    ]
    truth = {"samples": 6, "subjects": 4, "classes": {}, "splits": {}, "clips": clips, "rendered": True}
    found = audit_dataset(SPEC, table, FrameReader({"ckplus": tmp_path}), truth)
    assert found["problems"] == [] and not found["fatal"] and found["rendered"]
    clips[0]["label"] = "fear"
    found = audit_dataset(SPEC, table, FrameReader({"ckplus": tmp_path}), truth)
    assert found["fatal"] and f"{clips[0]['sample_id']}: label is 'disgust', 'fear' was rendered" in found["problems"]


# ------------------------------------------------------------------------------------------------ duplicates


def test_hash_is_that_of_imagehash():
    rng = np.random.default_rng(1)
    grey = rng.integers(0, 256, (60, 50), dtype=np.uint8)
    reference = imagehash.phash(Image.fromarray(grey))
    assert f"{perceptual_hash(grey):016x}" == str(reference)


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 2**64 - 1), max_size=40),
    flips=st.lists(st.tuples(st.integers(0, 39), st.lists(st.integers(0, 63), max_size=6)), max_size=20),
    distance=st.integers(0, 8),
)
def test_near_hashes_are_all_pairs_within_the_distance(values, flips, distance):
    values = list(values)
    for at, bits in flips:
        if at < len(values):
            copy = values[at]
            for bit in bits:
                copy ^= 1 << bit
            values.append(copy)
    expected = {
        (i, j, (values[i] ^ values[j]).bit_count())
        for i in range(len(values))
        for j in range(i + 1, len(values))
        if (values[i] ^ values[j]).bit_count() <= distance
    }
    found = {tuple(row) for block in near_hashes(np.array(values, np.uint64), distance) for row in block.tolist()}
    assert found == expected


def test_near_hashes_over_several_blocks(monkeypatch):
    monkeypatch.setattr("fernas.datasets._duplicates.BLOCK_BYTES", 8 * 100 * 7)
    values = np.random.default_rng(3).integers(0, 2**63, 100).astype(np.uint64)
    values[93] = values[4] ^ np.uint64(5)
    values[50] = values[49]
    found = [tuple(row) for block in near_hashes(values, 4) for row in block.tolist()]
    assert found == [(4, 93, 2), (49, 50, 0)]


def test_correlation_is_pearsons():
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (5, 9, 7), dtype=np.uint8)
    images[4] = 7
    pairs = np.array([[0, 1], [2, 2], [1, 3], [0, 4]])
    expected = [np.corrcoef(images[a].ravel(), images[b].ravel())[0, 1] for a, b in pairs[:3]]
    assert correlations(images, pairs) == pytest.approx([*expected, 0], abs=1e-6)


def planted(root):
    """A FER2013 csv of faces-like noise with one exact copy and one almost equal image across the splits."""
    rng = np.random.default_rng(5)
    images = [np.kron(rng.integers(30, 220, (12, 12)), np.ones((4, 4))).astype(np.uint8) for _ in range(30)]
    images[20] = images[2].copy()
    images[26] = np.clip(images[3].astype(int) + rng.integers(-6, 7, (48, 48)) + 4, 0, 255).astype(np.uint8)
    lines = ["emotion,pixels,Usage"]
    for row, (label, usage) in enumerate(zip(trees.FER_LABELS, trees.FER_USAGE, strict=True)):
        lines.append(f"{label},{' '.join(str(v) for v in images[row].ravel())},{usage}")
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
    trees.ckplus(tmp_path)
    noise = np.random.default_rng(0).integers(0, 2, (48, 64)).astype(np.uint8)
    grey = read_image(tmp_path / "cohn-kanade-images/S130/007/S130_007_00000012.png")[:, :, 0]
    Image.fromarray(grey // 2 + 60 + noise).save(tmp_path / "cohn-kanade-images/S501/001/S501_001_00000005.png")
    Image.fromarray(grey // 2 + 60).save(tmp_path / "cohn-kanade-images/S501/006/S501_006_00000009.png")
    found = check_data("ckplus", tmp_path)["duplicates"]["near"]
    assert {(a, b) for a, b, *_ in found} == {
        ("ckplus/S130/007", "ckplus/S501/001"), ("ckplus/S130/007", "ckplus/S501/006"),
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------ cards


def test_data_card_names_what_matters(tmp_path):
    trees.samm(tmp_path)
    table = build_manifest("samm", tmp_path)
    spec = plugins.load("datasets", "samm").spec
    card = data_card(spec, table, audit_dataset(spec, table, FrameReader({"samm": tmp_path})))
    parts = ["# SAMM", "| anger | 1 | 57 | 1 |", "`samm/032/032_3_3`: apex 70 after offset 48", spec.licence]
    parts += [spec.homepage, "annotated: 5; the middle frame: 1.", "Not sure without the real copy", "60x40 (6)"]
    for part in parts:
        assert part in card, part


def test_found_stands_beside_published(tmp_path):
    trees.fer2013_csv(tmp_path)
    rows = {row[""]: row for row in found_and_expected(check_data("fer2013", tmp_path))}
    assert rows["samples"]["published"] == 35887 and rows["samples"]["found"] == 30
    assert rows["samples"]["differs"] == "-35857" and rows["split Training"]["published"] == 28709
    assert rows["subjects"] == {"": "subjects", "found": 0, "published": "-", "differs": ""}
