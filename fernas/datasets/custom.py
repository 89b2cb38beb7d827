"""A private dataset without code: a csv or parquet that lists images, folders or videos with labels."""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import Field

from fernas.core.errors import DataError, did_you_mean
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options, Sample, base_folder, locate
from fernas.datasets._sheets import Row, read_table, text_of
from fernas.datasets._tree import Clip, Tree, is_image_name, order_frames, stem_of
from fernas.datasets.containers import VIDEO, video_length

COLUMNS = {
    "path": ("path", "file", "filename", "image", "picture", "clip", "folder"),
    "label": ("label", "emotion", "class", "expression"), "subject": ("subject", "participant", "person", "subject id"),
    "split": ("split", "usage", "set", "partition"), "onset": ("onset", "onset frame", "onsetf"),
    "apex": ("apex", "apex frame", "apexf", "peak"), "offset": ("offset", "offset frame", "offsetf"),
    "group": ("group", "sequence", "session", "video"), "sex": ("sex", "gender"), "race": ("race", "ethnicity"),
    "age": ("age", "age group"), "skin_tone": ("skin_tone", "skin tone"), "glasses": ("glasses", "spectacles"),
    "beard": ("beard",),
}  # fmt: skip
ATTRIBUTES = ("sex", "race", "age", "skin_tone", "glasses", "beard")


class CustomOptions(Options):
    """Options of a private dataset."""

    file: str | None = Field(None, description="the table below the root; default: the only csv, parquet or xlsx there")
    classes: tuple[str, ...] | None = Field(None, description="allowed labels; default: those that occur")
    fps: float | None = Field(None, gt=0, description="frames per second of clips")
    ships_crops: bool = Field(False, description="the images are aligned faces: no detection")
    missing_apex: Literal["middle", "last", "exclude"] = Field(
        "middle", description="clips without an apex in the table"
    )


class Custom(Adapter):
    """Reads a table with the columns path, label, subject[, split, onset, apex, offset, group]."""

    Config = CustomOptions
    spec = DatasetSpec(
        name="custom",
        title="a private dataset",
        kind="stills",
        classes=(),
        licence="yours",
        citation="yours",
        homepage="-",
        layout=(
            "a csv, parquet or xlsx with the columns path, label, subject[, split, onset, apex, offset, group]",
            "optional columns sex, race, age, skin_tone, glasses, beard (recall is compared between groups)",
            "path: an image, a folder of frames or a video, relative to the root",
        ),
        frame_rule="onset, apex, offset are numbers in the file names (videos: from 1); blank: first, middle, last",
        protocol="any: subject k-fold and leave one subject out need subjects, official needs split",
    )

    def collect(self, root: Path, options: CustomOptions) -> Collected:
        """One sample per row of the table."""
        folder = base_folder(root)
        if root.is_file():
            tree, name = Tree.walk(folder), root.name
        else:
            tree = Tree.walk(root)
            name = tree.one(r"[^/]+\.(?:csv|tsv|parquet|xlsx)", "table (csv, parquet or xlsx)", options.file)
        rows = _read(folder / name)
        # tables are written on Windows, where names differ from the disk in case
        by_lower: dict[str, str] = {}
        for path in (*tree.files, *tree.folders):
            by_lower.setdefault(path.lower(), path)
        inside: dict[str, list[str]] = {}
        for path in tree.files:
            if is_image_name(path):
                inside.setdefault(path.rpartition("/")[0], []).append(path)
        problems = list(tree.problems)
        with_subjects = any(row["subject"] for row in rows)
        samples = []
        refs = [_resolve(row, folder, by_lower) for row in rows]
        if rows and not any(refs):  # a wrong root: said once rather than for each row
            first = f"first {rows[0].where}: {rows[0]['path']}"
            raise DataError(f"{root}: none of the {len(rows)} paths of {name} is there, {first}")
        for row, ref in zip(rows, refs, strict=True):
            sample = _sample(row, ref, options, with_subjects)
            if ref is None:
                sample.excluded = f"{row['path']}: no such file or folder"
            else:
                problems += _fill(folder, row, ref, sample, inside.get(ref), options)
            if sample.excluded:
                problems.append(f"{row.where}: {sample.excluded}")
            samples.append(sample)
        if not with_subjects:
            problems.append(f"{name}: no subjects: subject-independent protocols are refused")
        return Collected(samples, problems, ships_crops=options.ships_crops, fps=options.fps)


def _read(path: Path) -> list[Row]:
    required = ("path", "label")
    if path.suffix.lower() != ".parquet":
        rows, _ = read_table(path, COLUMNS, required)
        return rows
    from fernas.core.io import read_parquet

    table = read_parquet(path)
    names = {str(name).strip().lower(): name for name in table.columns}
    columns = {n: next((names[s] for s in spellings if s in names), None) for n, spellings in COLUMNS.items()}
    for name in required:
        if columns[name] is None:
            raise DataError(
                f"{path}: no column {name}{did_you_mean(name, names)}; found: {', '.join(map(str, table.columns))}"
            )
    rows = []
    for at, record in enumerate(table.to_dict("records")):
        cells = {name: text_of(record[column]) for name, column in columns.items() if column is not None}
        rows.append(Row(at + 1, cells, f"{path}: row {at + 1}"))
    return rows


def _resolve(row: Row, root: Path, by_lower: Mapping[str, str]) -> str | None:
    """The row's path relative to the root in the spelling of the disk; None when nothing is there.

    Raises:
        DataError: an empty path, or one that leads out of the root.
    """
    text = row["path"].strip()
    if not text:
        raise DataError(f"{row.where}, column path: empty")
    # a backslash may be part of a name on Linux, so the text is tried as it is first
    if text.lower() not in by_lower:
        text = text.replace("\\", "/")
    path = PurePosixPath(text)
    if path.is_absolute():
        try:
            path = PurePosixPath(Path(text).relative_to(root.resolve()).as_posix())
        except ValueError as error:
            raise DataError(f"{row.where}, column path: {text} lies outside the root {root}") from error
    # a drive letter is absolute on Windows only, so PurePosixPath does not see it
    if ".." in path.parts or (len(text) > 1 and text[1] == ":"):
        raise DataError(f"{row.where}, column path: {text} leads out of the root {root}")
    return by_lower.get(str(path).lower().rstrip("/"))


def _sample(row: Row, ref: str | None, options: CustomOptions, with_subjects: bool) -> Sample:
    label, subject = row["label"], row["subject"]
    if not label:
        raise DataError(f"{row.where}, column label: empty")
    if options.classes is not None and label not in options.classes:
        hint = did_you_mean(label, options.classes)
        raise DataError(
            f"{row.where}, column label: {label!r} is no class{hint}; classes: {', '.join(options.classes)}"
        )
    # one sample without a subject could lie on both sides of a split by subject
    if with_subjects and not subject:
        raise DataError(f"{row.where}, column subject: empty, while other rows have one")
    name = ref or row["path"].replace("\\", "/")
    # with its folder, since two folders may hold files of one name
    clip = (name.rpartition("/")[0] + "/" if "/" in name else "") + stem_of(name)
    return Sample(
        clip=clip, frames=[], label=label, raw_label=label, subject=subject or None, group=row["group"] or None,
        split=row["split"] or None, attributes={name: row[name] for name in ATTRIBUTES if row[name]},
    )  # fmt: skip


def _fill(
    root: Path, row: Row, ref: str, sample: Sample, images: list[str] | None, options: CustomOptions
) -> list[str]:
    """Put the frames and positions of a row into its sample; returns what is odd."""
    problems: list[str] = []
    if is_image_name(ref):
        sample.frames = [ref]
        return problems
    sample.kind = "clip"
    if ref.rpartition(".")[2].lower() in VIDEO:
        count = video_length(root / ref)
        # references count frames from 0, the table counts them from 1
        clip = Clip("", [f"{ref}#{n}" for n in range(count)], list(range(1, count + 1)))
    elif images:
        numbers, refs, notes = order_frames(images)
        problems += notes
        clip = Clip(ref, refs, numbers)
    else:
        sample.excluded = f"{ref}: neither an image, a video nor a folder of images"
        return problems
    sample.frames = list(clip.refs)
    apex = row.integer("apex")
    if apex is None and options.missing_apex == "last":
        apex = row.integer("offset") or clip.numbers[-1]
    way = "exclude" if options.missing_apex == "exclude" else "middle"
    fields, notes = locate(clip, row.integer("onset"), apex, row.integer("offset"), way)
    problems += [f"{row.where}: {note}" for note in notes]
    sample.onset, sample.apex, sample.offset = fields["onset"], fields["apex"], fields["offset"]
    # `locate` calls any given apex annotated, but this one was only assumed
    sample.apex_source = (
        "last" if row.integer("apex") is None and options.missing_apex == "last" else fields["apex_source"]
    )
    sample.excluded = fields["excluded"]
    return problems


PLUGIN = Custom()
