"""FER2013: 48x48 grey faces from the web, as a csv of pixels, an HDF5 made of it, or folders of images."""

import re
from pathlib import Path
from typing import Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options, Sample
from fernas.datasets._labels import canonical, is_word
from fernas.datasets._sheets import read_table
from fernas.datasets._tree import IMAGE, Tree, stem_of, summarise
from fernas.datasets.containers import base_folder, h5_array, h5_names, h5_pixels, pixel_table

CODES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
USAGES = ("Training", "PublicTest", "PrivateTest")
FERPLUS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF")
FERPLUS_COUNTS = {
    "anger": 2660, "disgust": 161, "fear": 677, "happiness": 9045, "sadness": 3749, "surprise": 3960, "neutral": 11012,
    "contempt": 148,
}  # fmt: skip
FERPLUS_SPLITS = {"Training": 25060, "PublicTest": 3199, "PrivateTest": 3153}
FOLDERS = {
    "train", "training", "test", "testing", "val", "valid", "validation", "publictest", "privatetest", "public",
    "private",
}  # fmt: skip


class FerOptions(Options):
    """Options of FER2013."""

    form: Literal["auto", "csv", "h5", "folders"] = Field("auto", description="which form of the dataset is read")
    file: str | None = Field(None, description="the csv or HDF5 below the root, when there are several")
    labels: Literal["fer2013", "ferplus"] = Field(
        "fer2013", description="ferplus: majority of the votes in fer2013new.csv"
    )
    ferplus_file: str | None = Field(None, description="fer2013new.csv below the root, when it has another name")


class Fer2013(Adapter):
    """Reads the csv (both header styles), the HDF5 form and image-folder mirrors."""

    Config = FerOptions
    spec = DatasetSpec(
        name="fer2013",
        title="FER2013",
        kind="stills",
        classes=CODES,
        more_classes=("contempt",),
        licence="Kaggle account and the rules of the challenge; FERPlus labels are MIT-licensed",
        citation="Goodfellow et al.: Challenges in Representation Learning, ICONIP 2013",
        homepage="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
        counts={"anger": 4953, "disgust": 547, "fear": 5121, "happiness": 8989, "sadness": 6077, "surprise": 4002,
                "neutral": 6198},
        splits={"Training": 28709, "PublicTest": 3589, "PrivateTest": 3589},
        ships_crops=True,
        labels={str(code): word for code, word in enumerate(CODES)},
        layout=(
            "fer2013.csv (emotion,pixels,Usage) or icml_face_data.csv (emotion, Usage, pixels)",
            "data.h5 (Training_pixel, Training_label, PublicTest_pixel, ...)",
            "train/angry/Training_3908.jpg, test/happy/PrivateTest_10131363.jpg (mirrors; the name tells the split)",
            "fer2013new.csv (optional; the votes of FERPlus, joined by row order)",
        ),
        frame_rule="still images",
        protocol="official: Training, PublicTest (validation), PrivateTest (test); 7 classes; accuracy on PrivateTest",
        tasks={"fer2013-7": {"classes": CODES, "frames": {"kind": "still"}}},
        notes=(
            "per-class counts are from memory; their sums agree with the splits",
            "exact and near duplicates across the official splits exist in the real dataset: reported, not fatal",
            "image mirrors usually merge PublicTest and PrivateTest into test/; without the split in the file names"
            " the official protocol is refused",
        ),
    )  # fmt: skip

    def collect(self, root: Path, options: FerOptions) -> Collected:
        """One sample per image."""
        folder = base_folder(root)
        tree = Tree(folder, [root.name]) if root.is_file() else Tree.walk(root)
        # fer2013.csv goes first: train.csv of the challenge has only its Training rows
        table = options.file or _first(tree, r"fer2013\.csv", r"icml_face_data\.csv", r"train\.csv")
        store = options.file or _first(tree, r"data\.(?:h5|hdf5)", r"[^/]*\.(?:h5|hdf5)")
        if options.file is not None and not (folder / options.file).is_file():
            raise DataError(f"{folder / options.file}: no such file, named by options.file")
        # the root itself may be a csv of any name
        if root.is_file() and table is None and store is None:
            table = root.name
        form = options.form
        if form == "auto":
            is_store = bool(store) and re.search(r"\.(h5|hdf5)$", store or "", re.IGNORECASE) is not None
            form = "csv" if table and not (options.file and is_store) else "h5" if is_store else "folders"
        if form == "csv":
            if table is None:
                raise DataError(f"{folder}: no fer2013.csv or icml_face_data.csv found")
            collected = _from_csv(folder, table)
        elif form == "h5":
            if store is None:
                raise DataError(f"{folder}: no HDF5 file found")
            collected = _from_h5(folder, store)
        else:
            collected = _from_folders(tree)
        collected.problems = tree.problems + collected.problems
        collected.sources = [str(table if form == "csv" else store if form == "h5" else "folders of images")]
        if options.labels == "ferplus":
            if form != "csv":
                raise DataError(
                    f"{folder}: FERPlus votes are joined by row with fer2013.csv, the files here are of form {form}"
                )
            collected.expected = {"classes": FERPLUS_COUNTS, "splits": FERPLUS_SPLITS}
            _use_ferplus(folder, tree.one(r"fer2013new\.csv", "fer2013new.csv", options.ferplus_file), collected)
        return collected


def _first(tree: Tree, *patterns: str) -> str | None:
    return next((name for pattern in patterns if (name := tree.optional(pattern)) is not None), None)


def _label(code: str, where: str) -> str:
    if not re.fullmatch(r"[0-6](?:\.0*)?", code):
        raise DataError(f"{where}: got emotion {code!r}, expected 0 to 6")
    return CODES[int(code[0])]


def _usage(text: str, where: str) -> str:
    usage = next((name for name in USAGES if name.lower() == text.replace(" ", "").lower()), None)
    if usage is None:
        raise DataError(f"{where}: got Usage {text!r}, expected one of {', '.join(USAGES)}")
    return usage


def _row(split: str | None, row: int, ref: str, label: str, raw: str) -> Sample:
    """A row of a csv or HDF5: `fer2013/<split>/<row>`, each its own group."""
    # a csv has one row count over all splits, an HDF5 one per split: the id needs both
    name = f"{split}/{row}" if split else str(row)
    return Sample(
        clip=split or str(row), frame=str(row) if split else None, group=name, frames=[ref], label=label, raw_label=raw,
        split=split,
    )  # fmt: skip


def _from_csv(folder: Path, name: str) -> Collected:
    """Samples of a csv of pixels."""
    table = pixel_table(folder / name)
    if "emotion" not in table.columns:
        raise DataError(
            f"{folder / name}: no column 'emotion', got: {', '.join(table.header)}; its images have no labels"
        )
    problems = []
    usages = table.columns.get("usage")
    assumed = "Training" if Path(name).name.lower() == "train.csv" else None
    if usages is None:
        unknown = "the official split is unknown, so the official protocol is refused"
        training = "all rows are of the split Training, as train.csv of the challenge is"
        problems.append(f"{name}: no column Usage: {training if assumed else unknown}")
    samples = []
    for row, code in enumerate(table.columns["emotion"]):
        where = f"{folder / name}: row {row + 1}"
        split = _usage(usages[row], where) if usages else assumed
        samples.append(_row(split, row, f"{name}#{row}", _label(code, where), code))
    return Collected(samples, problems)


def _from_h5(folder: Path, name: str) -> Collected:
    """Samples of an HDF5 file with `Training_pixel`, `Training_label` and so on."""
    path = folder / name
    names = h5_names(path)
    lower = {key.lower(): key for key in names}
    samples = []
    for usage in USAGES:
        pixels, labels = lower.get(f"{usage.lower()}_pixel"), lower.get(f"{usage.lower()}_label")
        if pixels is None or labels is None:
            continue
        codes = h5_array(path, labels).reshape(-1)
        if len(codes) != len(h5_pixels(path, pixels)):
            raise DataError(f"{path}: {pixels} has {len(h5_pixels(path, pixels))} images, {labels} {len(codes)} labels")
        for row, code in enumerate(codes):
            text = str(int(code)) if float(code) == int(code) else str(code)
            word = _label(text, f"{path}: {labels} row {row}")
            samples.append(_row(usage, row, f"{name}#{pixels}/{row}", word, text))
    if not samples:
        raise DataError(
            f"{path}: no datasets Training_pixel and Training_label; there: {', '.join(names) or 'nothing'}"
        )
    absent = [usage for usage in USAGES if f"{usage.lower()}_pixel" not in lower]
    return Collected(samples, [f"{name}: no images of the split {', '.join(absent)}"] if absent else [])


def _from_folders(tree: Tree) -> Collected:
    """Samples of class folders; the official split is in the file names or nowhere."""
    pattern = r"(?:(?P<part>[^/]+)/)?(?P<word>[^/]+)/(?P<file>[^/]+?" + IMAGE + ")"
    images: dict[tuple[str, str, str], str] = {}
    problems: list[str] = []
    skipped = []
    # shallow files first: a mirror that was unpacked twice counts once
    for match in sorted(tree.find(pattern), key=lambda m: m.string.count("/")):
        word = match["word"].strip().lower()
        if not (is_word(word, CODES) or re.fullmatch("[0-6]", word)):
            skipped.append(match.string)
            continue
        part = (match["part"] or "").lower()
        key = (part if part in FOLDERS else "", word, match["file"].lower())
        if key in images:
            problems.append(f"{match.string}: the same image as {images[key]}, not used")
        else:
            images[key] = match.string
    if skipped:
        problems.append(f"{len(skipped)} images lie in folders that are no emotion: {summarise(skipped)}")
    stems = [stem_of(name) for name in images.values()]
    # a mirror may use one file name in several folders: ids then need the folders too
    unique = len(set(stems)) == len(stems)
    samples = []
    for (part, word, _), name in images.items():
        label = CODES[int(word)] if word.isdigit() else canonical(word, CODES, name)
        split = next((u for u in USAGES if stem_of(name).lower().startswith(u.lower() + "_")), None)
        clip = stem_of(name) if unique else "_".join(x for x in (part, word, stem_of(name)) if x)
        samples.append(Sample(clip=clip, frames=[name], label=label, raw_label=word, split=split))
    without_split = [s for s in samples if s.split is None]
    # a part of the official split would be no official split, so all rows lose it
    if without_split:
        for sample in samples:
            sample.split = None
        problems.append(
            f"{len(without_split)} file names do not state the official split (first: {without_split[0].frames[0]};"
            " expected names like Training_3908.jpg): the official protocol is refused"
        )
    return Collected(samples, problems)


def _use_ferplus(folder: Path, name: str, collected: Collected) -> None:
    """Replace labels by the majority of the FERPlus votes; rows without one are excluded."""
    wanted = {"usage": ("Usage",), "name": ("Image name",), **{word: (word,) for word in FERPLUS}}
    rows, _ = read_table(folder / name, wanted, ["usage", *FERPLUS])
    if len(rows) != len(collected.samples):
        raise DataError(
            f"{folder / name}: {len(rows)} rows of votes for {len(collected.samples)} images; they are joined by row"
        )
    # by row order: the numbers in the column "Image name" drift away from the row numbers
    for sample, row in zip(collected.samples, rows, strict=True):
        if sample.split is not None and _usage(row["usage"], row.where) != sample.split:
            raise DataError(f"{row.where}: Usage {row['usage']}, but the image of this row is {sample.split}")
        votes = [row.integer(word) or 0 for word in FERPLUS]
        sample.raw_label = ",".join(str(vote) for vote in votes)
        sample.label, sample.excluded = majority(votes)
        if not row["name"]:
            sample.label, sample.excluded = None, "no image name in fer2013new.csv: not a face"


def majority(votes: list[int]) -> tuple[str | None, str | None]:
    """The class of ten votes by FERPlus' own rule: single votes do not count, more than half of the rest wins.

    Returns:
        (class, None), or (None, why there is none).
    """
    counted = [vote if vote > 1 else 0 for vote in votes]
    top = max(counted)
    at = counted.index(top)
    if top == 0 or top <= 0.5 * sum(counted):
        return None, "no majority among the FERPlus votes"
    # the last two columns, unknown and NF, are votes that nothing can be learnt from
    if at >= 8:
        return None, f"FERPlus majority for {FERPLUS[at]}"
    return FERPLUS[at], None


PLUGIN = Fer2013()
