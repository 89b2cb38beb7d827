"""Micro-expression datasets: the rows of a coding file joined with the images of their clips."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, Options, Sample, locate
from fernas.datasets._labels import canonical
from fernas.datasets._sheets import Row, describe_table, read_table
from fernas.datasets._tree import Clip, Images, Tree, collect_clips, summarise

Key = tuple[str, ...]


class CodedOptions(Options):
    """Options of datasets with a coding file."""

    coding: str | None = Field(None, description="the coding file below the root, when there are several")
    missing_apex: Literal["middle", "exclude"] = Field("middle", description="clips whose apex is not annotated ('/')")


class SelectedOptions(CodedOptions):
    """Options of CASME and CASME II, which ship raw clips, the frames of the expressions and aligned crops of those."""

    images: Literal["auto", "cropped", "selected", "raw"] = Field(
        "auto", description="auto: the tree with most clips; if equal selected, raw, cropped (faces are aligned here)"
    )


@dataclass
class Coded:
    """One row of a coding file, with the frame numbers as annotated.

    Attributes:
        subject, clip: parts of the sample's id.
        key: which clip of `Images.clips` holds its frames.
        label: canonical class; None where the file names no emotion.
        onset, apex, offset: numbers in the file names; None where they are not annotated.
        where: file and row, for messages.
        attributes: further cells, for the manifest's column of that name.
        excluded: why the row cannot be used.
        correction: known corrections of onset, apex or offset (None: the middle frame), applied only where the
            annotation contradicts itself.
    """

    subject: str
    clip: str
    key: Key
    label: str | None
    raw_label: str
    onset: int | None
    apex: int | None
    offset: int | None
    where: str
    attributes: dict[str, Any] = field(default_factory=dict)
    excluded: str | None = None
    correction: Mapping[str, int | None] | None = None


@dataclass
class Coding:
    """What a coding file holds.

    Attributes:
        rows: its expressions.
        source: a sentence about how it was read.
        problems: what is odd in it.
        only_span: keep only the images from onset to offset (of long videos).
        report_unlisted: whether images without a row are odd; not so where an option selects some expressions.
    """

    rows: list[Coded]
    source: str
    problems: list[str] = field(default_factory=list)
    only_span: bool = False
    report_unlisted: bool = True


class CodedClips(Adapter):
    """Reads a coding file with one row per expression, and a folder of numbered images per clip.

    A subclass says in class attributes where both lie. The defaults of the methods are those of CASME and CASME II;
    a dataset with other cells overrides `coded_row`, one with another kind of table `read_coding`.

    Attributes:
        coding_pattern: regular expression of the coding file's path, without the folders above it.
        coding_name: its usual name, for messages.
        columns: name of a cell -> the headers that circulate for it.
        image_pattern: regular expression of an image's path, with the groups `subject`, `clip` and `file`.
        image_kinds: the image trees that a root may hold, preferred first where they have equally many clips.
    """

    coding_pattern: ClassVar[str]
    coding_name: ClassVar[str]
    columns: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "subject": ("Subject", "Sub", "Subjects"), "filename": ("Filename", "File name", "Clip"),
        "onset": ("OnsetFrame", "Onset", "OnsetF"), "apex": ("ApexFrame", "Apex", "ApexF", "ApexF1"),
        "offset": ("OffsetFrame", "Offset", "OffsetF"), "units": ("Action Units", "AU", "AUs"),
        "emotion": ("Estimated Emotion", "Emotion"),
    }  # fmt: skip
    image_pattern: ClassVar[str]
    image_kinds: ClassVar[tuple[str, ...]] = ("selected", "raw", "cropped")

    def collect(self, root: Path, options: Any) -> Collected:
        """One sample per row of the coding file."""
        tree = Tree.walk(root)
        name = tree.one(self.coding_pattern, f"coding file ({self.coding_name})", options.coding)
        kinds = self.image_kinds if options.images == "auto" else (options.images,)
        # the images come first: rows of CAS(ME)^2 read differently where the images are long videos
        images = collect_clips(tree, self.image_pattern, self.clip_key, self.image_kind, kinds)
        coding = self.read_coding(root / name, name, images, options)
        samples, problems = join(coding, images, options.missing_apex)
        problems = tree.problems + coding.problems + problems
        sources = [coding.source, *images.sources()]
        return Collected(samples, problems, expected=self.expected(name, options), sources=sources)

    def clip_key(self, match: re.Match[str]) -> Key:
        """The clip of an image: the subject's number and the clip's folder in lower case."""
        # numbers, because the sheet may say 1 where the folder says sub01
        return (str(int(match["subject"])), match["clip"].strip().lower())

    def image_kind(self, match: re.Match[str]) -> str:
        """`cropped`, `selected` or `raw`, from the wrapper folders and the prefix of registered crops."""
        base = (match["base"] or "").lower()
        if match["file"].lower().startswith("reg_") or "crop" in base:
            return "cropped"
        return "selected" if "select" in base else "raw"

    def read_coding(self, path: Path, name: str, images: Images, options: Any) -> Coding:
        """The rows of the coding file.

        Args:
            path: the file.
            name: its path below the root, for the list of sources.
            images: the clips that were chosen, for files whose rows read differently with other images.
            options: the adapter's options.
        """
        required = ("subject", "filename", "onset", "apex", "offset", "emotion")
        rows, headers = read_table(path, self.columns, required)
        coded = [self.coded_row(row, index, options) for index, row in enumerate(rows) if row["filename"]]
        problems = [f"{row.where}: a row without Filename, not used" for row in rows if not row["filename"]]
        return Coding(coded, describe_table(name, headers), problems)

    def coded_row(self, row: Row, index: int, options: Any) -> Coded:
        """One row below the header, `index` counted from 0."""
        number, raw = subject_number(row), row["emotion"]
        return Coded(
            subject=f"sub{number:02d}",
            clip=row["filename"],
            key=(str(number), row["filename"].lower()),
            label=canonical(raw, self.spec.classes, f"{row.where}, column emotion") if raw else None,
            raw_label=raw,
            onset=row.integer("onset"),
            apex=row.integer("apex"),
            offset=row.integer("offset"),
            where=row.where,
            attributes={"action_units": row["units"]} if row["units"] else {},
            # a row without an emotion stays in the manifest as excluded, so that it is counted and listed
            excluded=None if raw else "no emotion in the coding file",
        )

    def expected(self, name: str, options: Any) -> dict[str, Any]:
        """Published numbers that replace those of the spec, given the coding file's name and the options."""
        return {}


def subject_number(row: Row) -> int:
    """The number in the Subject cell (`1`, `sub01`, `s15`).

    Raises:
        DataError: no number there; names the row.
    """
    digits = "".join(c for c in row["subject"] if c.isdigit())
    if not digits:
        raise DataError(f"{row.where}, column subject: got {row['subject']!r}, expected a number")
    return int(digits)


def join(coding: Coding, images: Images, missing_apex: str = "middle") -> tuple[list[Sample], list[str]]:
    """Coded rows + images -> samples and problems; a row without images is an excluded sample.

    `missing_apex` is `middle` or `exclude`.

    Raises:
        DataError: a row repeats another one with another label.
    """
    samples: list[Sample] = []
    problems = list(images.problems)
    used: set[Key] = set()
    # two rows with one clip are either a repeated row or two expressions of one clip
    rows_of: dict[tuple[str, str], list[Coded]] = {}
    for row in coding.rows:
        earlier = rows_of.setdefault((row.subject, row.clip), [])
        repeated = _repeated(row, earlier)
        if repeated is not None:
            problems.append(f"{row.where}: repeats {repeated.where.rsplit(': ', 1)[-1]}, used once")
            continue
        # a second expression of the same clip gets its onset into the id
        clip = row.clip if not earlier else f"{row.clip}@{row.onset}"
        earlier.append(row)
        # both expressions of a clip share its frames: one group keeps them in one split
        sample = Sample(
            clip=clip, subject=row.subject, group=f"{row.subject}/{row.clip}", frames=[], label=row.label,
            raw_label=row.raw_label, kind="clip", attributes=row.attributes, excluded=row.excluded,
        )  # fmt: skip
        samples.append(sample)
        problems += _place(sample, row, images.clips.get(row.key), missing_apex)
        used.add(row.key)
        if coding.only_span and sample.onset is not None and sample.offset is not None:
            _cut(sample)
    unlisted = [f"{c.base}/{'/'.join(k)}".lstrip("/") for k, c in images.clips.items() if k not in used]
    if unlisted and coding.report_unlisted:
        problems.append(f"{len(unlisted)} clips have images but no row in the coding file: {summarise(unlisted)}")
    return samples, problems


def _repeated(row: Coded, earlier: list[Coded]) -> Coded | None:
    """The earlier row of the same clip with the same frames, if there is one."""
    span = (row.onset, row.apex, row.offset)
    same = next((other for other in earlier if (other.onset, other.apex, other.offset) == span), None)
    if same is not None and same.raw_label != row.raw_label:
        raise DataError(f"{row.where}: repeats {same.where.rsplit(': ', 1)[-1]} with another label, {row.raw_label!r}")
    return same


def _place(sample: Sample, row: Coded, clip: Clip | None, missing_apex: str) -> list[str]:
    """Put the images of a clip and the positions of the expression into a sample; returns what is odd."""
    name = f"{sample.subject}/{sample.clip}"
    if clip is None:
        sample.excluded = sample.excluded or f"no images of clip {row.subject}/{row.clip}"
        return [f"{row.where}: {name}: {sample.excluded}"]
    fields, notes = _located(row, clip, missing_apex)
    problems = [f"{name}: {note}" for note in notes]
    sample.frames = list(clip.refs)
    for attribute in ("onset", "apex", "offset", "apex_source"):
        setattr(sample, attribute, fields[attribute])
    sample.excluded = sample.excluded or fields["excluded"]
    if sample.excluded:
        problems.append(f"{row.where}: {name}: {sample.excluded}")
    elif fields["apex_source"] == "middle":
        problems.append(f"{row.where}: {name}: no apex annotated, took the middle frame")
    return problems


def _located(row: Coded, clip: Clip, missing_apex: str) -> tuple[dict[str, Any], list[str]]:
    """Positions of a row's frames, with its known correction where that resolves a contradiction."""
    fields, notes = locate(clip, row.onset, row.apex, row.offset, missing_apex)
    if fields["excluded"] is None or row.correction is None:
        return fields, notes
    values = {"onset": row.onset, "apex": row.apex, "offset": row.offset, **row.correction}
    # only where the file contradicts itself: other releases of the file may have the row right
    better, more = locate(clip, values["onset"], values["apex"], values["offset"], missing_apex)
    if better["excluded"] is not None:  # the correction does not help, so report what the file says
        return fields, notes
    changes = ", ".join(f"{name} {'middle' if value is None else value}" for name, value in row.correction.items())
    return better, [*more, f"{fields['excluded']}: known correction applied ({changes})"]


def _cut(sample: Sample) -> None:
    """Drop the images outside onset and offset."""
    # a long video has thousands of images: the manifest lists those of the expression only
    start, end = int(sample.onset or 0), int(sample.offset or 0)
    sample.frames = sample.frames[start : end + 1]
    sample.apex = None if sample.apex is None else sample.apex - start
    sample.onset, sample.offset = 0, end - start
