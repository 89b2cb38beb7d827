"""RAF-DB (basic): faces from the web with crowd labels; one text file lists images and labels."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options, Sample
from fernas.datasets._tree import IMAGE, Tree, read_text, stem_of, summarise

CODES = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")
# "patition" is the spelling of the release
LIST = r"list_part?ition_label\.txt|list_patition_label\.txt"
NAME = re.compile(r"(?P<split>train|test)_(?P<number>\d+)", re.IGNORECASE)
GENDER = {"0": "male", "1": "female", "2": "unsure"}
RACE = {"0": "Caucasian", "1": "African-American", "2": "Asian"}
AGE = {"0": "0-3", "1": "4-19", "2": "20-39", "3": "40-69", "4": "70+"}


class RafOptions(Options):
    """Options of RAF-DB."""

    images: Literal["auto", "aligned", "original"] = Field(
        "auto", description="aligned 100x100 crops or original images; auto: aligned where they are"
    )


class RafDb(Adapter):
    """Reads `EmoLabel/list_patition_label.txt` with `Image/aligned/` or `Image/original/`, and class-folder mirrors."""

    Config = RafOptions
    spec = DatasetSpec(
        name="rafdb",
        title="RAF-DB (basic)",
        kind="stills",
        classes=CODES,
        licence="by request from an academic address, non-commercial research only",
        citation="Li, Deng, Du: Reliable crowdsourcing and deep locality-preserving learning, CVPR 2017",
        homepage="http://www.whdeng.cn/RAF/model1.html",
        counts={
            "surprise": 1619, "fear": 355, "disgust": 877, "happiness": 5957, "sadness": 2460, "anger": 867,
            "neutral": 3204,
        },
        splits={"train": 12271, "test": 3068},
        ships_crops=True,
        labels={str(code): word for code, word in enumerate(CODES, start=1)},
        layout=(
            "basic/EmoLabel/list_patition_label.txt (`train_00001.jpg 5` per line; misspelt in the dataset)",
            "basic/Image/aligned/train_00001_aligned.jpg (100x100) or basic/Image/original/train_00001.jpg",
            "basic/Annotation/manual/train_00001_manu_attri.txt (optional; five points, gender, race, age)",
        ),
        frame_rule="still images",
        protocol="official train and test by file name; 7 classes; accuracy and mean accuracy of the classes",
        tasks={"rafdb-7": {"classes": CODES, "frames": {"kind": "still"}}},
        notes=(
            "counts per class of the test part and the meaning of the attribute codes are from memory",
            "subjects are not identified",
        ),
    )  # fmt: skip

    def collect(self, root: Path, options: RafOptions) -> Collected:
        """One sample per listed image."""
        tree = Tree.walk(root)
        aligned = _images(tree, r"(?P<stem>(?:train|test)_\d+)_aligned")
        original = _images(tree, r"(?P<stem>(?:train|test)_\d+)")
        # aligned crops first: papers train on them, and the list names images without `_aligned`
        use_aligned = options.images == "aligned" or (options.images == "auto" and bool(aligned))
        images = aligned if use_aligned else original
        listing = tree.optional(LIST)
        labels = _listed(tree.root / listing) if listing else _mirrored(tree)
        problems = list(tree.problems)
        if listing is None:
            problems.append("no list_patition_label.txt: labels taken from folders named 1 to 7")
        attributes = {m["stem"].lower(): m.string for m in tree.find(r"(?P<stem>(?:train|test)_\d+)_manu_attri\.txt")}
        samples, absent = [], []
        for stem, code in labels.items():
            ref = images.get(stem)
            absent += [] if ref else [stem]
            sample = Sample(
                clip=stem,
                frames=[ref] if ref else [],
                label=CODES[int(code) - 1],
                raw_label=code,
                # the official split is the prefix of the file name
                split=stem.split("_")[0],
                excluded=None if ref else f"no {'aligned' if use_aligned else 'original'} image of {stem}",
            )
            if stem in attributes:
                # the five points are of the original image, so crops get none
                sample.attributes = _attributes(tree.root / attributes[stem], not use_aligned)
            samples.append(sample)
        if absent:
            problems.append(f"{len(absent)} listed images are missing: {summarise(absent)}")
        left = [images[stem] for stem in images if stem not in labels]
        if left:
            problems.append(f"{len(left)} images have no label: {summarise(left)}")
        sources = [listing or "class folders", f"{'aligned' if use_aligned else 'original'} images"]
        return Collected(samples, problems, ships_crops=use_aligned, sources=sources)


def _images(tree: Tree, pattern: str) -> dict[str, str]:
    images: dict[str, str] = {}
    for match in sorted(tree.find(pattern + IMAGE), key=lambda m: m.string.count("/")):
        images.setdefault(match["stem"].lower(), match.string)
    return images


def _listed(path: Path) -> dict[str, str]:
    """Stem -> label code of the list; a DataError names the line that is not `train_00001.jpg 5`."""
    labels: dict[str, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        words = line.replace(",", " ").split()
        if not words:
            continue
        stem = stem_of(words[0].replace("\\", "/")).lower().removesuffix("_aligned")
        if len(words) != 2 or words[1] not in {str(c) for c in range(1, 8)} or not NAME.fullmatch(stem):
            raise DataError(
                f"{path}: line {number}: got {line[:60]!r}, expected like 'train_00001.jpg 5' with a label 1 to 7"
            )
        if stem in labels:
            raise DataError(f"{path}: line {number}: {stem} is listed twice")
        labels[stem] = words[1]
    return labels


def _mirrored(tree: Tree) -> dict[str, str]:
    """Stem -> label code from mirrors with class folders."""
    labels: dict[str, str] = {}
    pattern = r"(?P<code>[1-7])/(?P<stem>(?:train|test)_\d+)(?:_aligned)?" + IMAGE
    for match in tree.find(pattern):
        stem = match["stem"].lower()
        if labels.setdefault(stem, match["code"]) != match["code"]:
            raise DataError(f"{tree.root}: {match.string}: {stem} also lies in folder {labels[stem]}")
    return labels


def _attributes(path: Path, with_points: bool) -> dict[str, Any]:
    """Gender, race and age group; of original images also the eyes and the nose tip."""
    # tabs or blanks separate the numbers; lines 6 to 8 are gender, race, age
    lines = [line.split() for line in read_text(path).split("\n") if line.strip()]
    if len(lines) < 8:
        return {}
    codes = [line[0].split(".")[0] for line in lines[5:8]]
    named = {"gender": GENDER.get(codes[0]), "race": RACE.get(codes[1]), "age": AGE.get(codes[2])}
    attributes: dict[str, Any] = {name: value for name, value in named.items() if value}
    if with_points:
        try:
            points = [[float(word) for word in line[:2]] for line in lines[:3]]
        except ValueError as error:
            raise DataError(f"{path}: got {lines[:3]}, expected x and y of the eyes and the nose") from error
        eyes = sorted(points[:2])  # by x: the eye on the left of the image first
        attributes["landmarks"] = [value for point in (*eyes, points[2]) for value in point]
    return attributes


PLUGIN = RafDb()
