"""Splits and classes that differ in more than the expression are named, and natural differences are not."""

import cv2
import numpy as np
import pandas as pd
import pytest

from fernas.core import plugins
from fernas.datasets._image_statistics import PER_CELL, compare_groups, drawn_images, image_statistics
from fernas.datasets.card import data_card
from fernas.datasets.check import check_data
from fernas.datasets.manifest import build_manifest

WORDS = {"angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness"}
SIZES = {"Training": 40, "PublicTest": 14, "PrivateTest": 14}


def face(generator):
    """Coarse shapes, fine texture and a brightness of its own, uint8 (48, 48)."""
    coarse = cv2.resize(generator.normal(0, 1, (6, 6)), (48, 48), interpolation=cv2.INTER_CUBIC)
    image = 40 * coarse + generator.normal(0, 8, (48, 48)) + generator.normal(128, 20)
    return np.clip(image, 0, 255).astype(np.uint8)


def same(image, usage, word):
    return image, 95


def write_mirror(root, change=same, fewer=()):
    """An image mirror of FER2013 whose images `change` may spoil: (image, usage, word) -> image and JPEG quality."""
    generator = np.random.default_rng(7)
    number = 0
    for usage, size in SIZES.items():
        for word in WORDS:
            folder = root / ("train" if usage == "Training" else "test") / word
            folder.mkdir(parents=True, exist_ok=True)
            for _ in range(2 if (usage, word) in fewer else size):
                number += 1
                image, quality = change(face(generator), usage, word)
                path = str(folder / f"{usage}_{number}.jpg")
                cv2.imwrite(path, image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def blurred_training(image, usage, word):
    return (cv2.GaussianBlur(image, (0, 0), 1.5) if usage == "Training" else image), 95


def disgust_encoded_again(image, usage, word):
    return image, 50 if word == "disgust" else 95


def brightened_fear(image, usage, word):
    return (np.clip(image + 45.0, 0, 255).astype(np.uint8) if word == "fear" else image), 95


def differences(root):
    found = check_data("fer2013", root)
    return found, {(row["kind"], row["name"], row["metric"]) for row in found["image_statistics"]["differences"]}


def test_splits_and_classes_of_one_kind_do_not_differ(tmp_path):
    write_mirror(tmp_path)
    found, named = differences(tmp_path)
    assert named == set() and not any("differs" in problem for problem in found["problems"])
    rows = {(row["kind"], row["name"]): row for row in found["image_statistics"]["groups"]}
    assert len(rows) == 3 + 4 and rows[("split", "PublicTest")]["images"] == 4 * 14


def test_a_blurred_training_split_is_named_and_no_other_split_or_class(tmp_path):
    """Also where a class is nearly absent from one of them, so that more of its images are sharp than of others."""
    write_mirror(tmp_path, blurred_training, fewer=[("Training", "angry"), ("PublicTest", "disgust")])
    found, named = differences(tmp_path)
    assert ("split", "Training", "sharpness") in named and {name[:2] for name in named} == {("split", "Training")}
    start = "split Training differs from the other splits in sharpness: median 0."
    (text,) = [problem for problem in found["problems"] if problem.startswith(start)]
    card = data_card(plugins.load("datasets", "fer2013").spec, build_manifest("fer2013", tmp_path), found)
    assert f"- {text}" in card and "| split Training | 122 |" in card


def test_a_class_that_was_encoded_again_is_named(tmp_path):
    write_mirror(tmp_path, disgust_encoded_again)
    found, named = differences(tmp_path)
    assert ("class", "disgust", "bytes") in named and {name[:2] for name in named} == {("class", "disgust")}
    start = "class disgust differs from the other classes in bytes per image: median "
    assert any(problem.startswith(start) for problem in found["problems"])


def test_a_brightened_class_is_named(tmp_path):
    write_mirror(tmp_path, brightened_fear)
    _, named = differences(tmp_path)
    assert ("class", "fear", "brightness") in named and {name[:2] for name in named} == {("class", "fear")}


def rows_of(subjects, images, of_class):
    rows = [
        {"sample_id": f"d/{s}/{n}", "dataset": "d", "subject": f"d/{s}", "label": of_class(s, n), "split": None}
        for s in range(subjects)
        for n in range(images)
    ]
    table = pd.DataFrame(rows)
    return table.assign(group=table["sample_id"])


@pytest.mark.parametrize(("subjects", "expected"), [(6, set()), (40, {("class", "joy")})])
def test_bright_subjects_are_no_difference_of_classes_unless_there_are_many(subjects, expected):
    """Half of the subjects are bright and show one class: with six of them that is chance, whatever the images."""
    table = rows_of(subjects, 50, lambda s, n: "joy" if s < subjects // 2 else "rage")
    generator = np.random.default_rng(0)
    bright = [180 if label == "joy" else 80 for label in table["label"]]
    measured = {
        at: {"sharpness": 0.5, "contrast": 50.0, "brightness": b + generator.normal(0, 3), "side": 48.0, "bytes": None}
        for at, b in enumerate(bright)
    }
    found = compare_groups(table, measured)["differences"]
    assert {(row["kind"], row["name"]) for row in found} == expected


def test_a_small_shift_of_many_images_is_significant_and_not_named():
    table = rows_of(400, 1, lambda s, n: "joy" if s % 2 else "rage")
    generator = np.random.default_rng(0)
    measured = {
        at: {"sharpness": 0.5, "contrast": 50.0, "brightness": 100 + 8 * (label == "joy") + generator.normal(0, 3),
             "side": 48.0, "bytes": 1000}
        for at, label in enumerate(table["label"])
    }  # fmt: skip
    assert compare_groups(table, measured)["differences"] == []


def test_what_is_measured_of_an_image_is_known():
    grey = np.zeros((4, 9), np.uint8)
    grey[1, 4] = 100
    found = image_statistics(grey, 77)
    mean = 100 / 36
    deviation = (100**2 / 36 - mean**2) ** 0.5
    # of the inner 2 x 7 pixels the point has 400, its three inner neighbours -100 each
    assert found["sharpness"] == pytest.approx((400 + 3 * 100) / 14 / deviation, rel=1e-5)
    assert found["contrast"] == pytest.approx(deviation, rel=1e-5) and found["brightness"] == pytest.approx(mean)
    assert (found["side"], found["bytes"]) == (6.0, 77)
    assert image_statistics(np.full((5, 5), 9, np.uint8), None)["sharpness"] is None


def test_images_are_drawn_per_class_whatever_other_classes_there_are():
    table = rows_of(1, 3 * PER_CELL, lambda s, n: "joy" if n < 2 * PER_CELL else "rage")
    drawn = drawn_images(table)
    assert len(drawn) == 2 * PER_CELL and drawn == drawn_images(table)
    assert {at for at in drawn if at < 2 * PER_CELL} == drawn_images(table[table["label"] == "joy"])
