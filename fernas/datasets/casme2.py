"""CASME II: spontaneous micro-expressions at 200 frames per second, coded in an Excel file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options
from fernas.datasets._labels import canonical
from fernas.datasets._micro import Coded, join
from fernas.datasets._sheets import Row, read_table, told
from fernas.datasets._tree import IMAGE, Tree, collect_clips

CODING = r"(?:CASME ?(?:2|II)[-_ ]*(?:coding|label)[^/]*|coding)\.(?:xlsx|xlsm|xls|csv)"
COLUMNS = {
    "subject": ("Subject", "Sub", "Subjects"), "filename": ("Filename", "File name", "Clip"),
    "onset": ("OnsetFrame", "Onset", "OnsetF"), "apex": ("ApexFrame", "Apex", "ApexF", "ApexF1"),
    "offset": ("OffsetFrame", "Offset", "OffsetF"), "units": ("Action Units", "AU", "AUs"),
    "emotion": ("Estimated Emotion", "Emotion"),
}  # fmt: skip

COUNTS_2019 = {"surprise": 28, "sadness": 4}


class MicroOptions(Options):
    """Options of CASME II."""

    images: Literal["auto", "cropped", "selected", "raw"] = Field(
        "auto", description="auto: the tree with most clips; if equal selected, raw, cropped (faces are aligned here)"
    )
    coding: str | None = Field(None, description="the coding file below the root, when there are several")
    missing_apex: Literal["middle", "exclude"] = Field("middle", description="clips whose apex is not annotated ('/')")


class Casme2(Adapter):
    """Reads a coding file of any release and `Cropped/`, `CASME2_RAW_selected/` or `CASME2-RAW/`."""

    Config = MicroOptions
    spec = DatasetSpec(
        name="casme2",
        title="CASME II",
        kind="clips",
        classes=("happiness", "disgust", "repression", "surprise", "sadness", "fear", "others"),
        licence="signed licence agreement, academic use only",
        citation="Yan, Li, Wang, Zhao, Liu, Chen, Fu: CASME II, PLOS ONE 9(1), 2014",
        homepage="http://casme.psych.ac.cn/casme/e2",
        fps=200.0,
        subjects=26,
        counts={
            "happiness": 32, "disgust": 63, "repression": 27, "surprise": 25, "sadness": 7, "fear": 2, "others": 99,
        },
        same_people_as=("megc2019",),
        layout=(
            "CASME2-coding-20140508.xlsx (Subject, Filename, OnsetFrame, ApexFrame, OffsetFrame, ...)",
            "Cropped/sub01/EP02_01f/reg_img46.jpg or CASME2_RAW_selected/sub01/EP02_01f/img46.jpg",
            "CASME2-RAW/sub01/EP02_01f/img1.jpg (whole clips)",
        ),
        frame_rule="onset, apex, offset are annotated as numbers in the file names; no apex ('/'): the middle frame",
        protocol="leave one subject out (26 folds), 5 classes or the 3 of MEGC2019; accuracy, UF1, UAR, pooled",
        tasks={
            "casme2-5": {
                "classes": ("happiness", "disgust", "repression", "surprise", "others"),
                "frames": {"kind": "clip"},
            },
            "casme2-3": {
                "classes": ("negative", "positive", "surprise"),
                "frames": {"kind": "clip"},
                "label_map": {"disgust": "negative", "repression": "negative", "happiness": "positive"},
            },
        },
        notes=(
            "files of 2014 and 2019 differ in three clips of sub24 (sadness or surprise); the file's name tells which",
            "an 'updated' file of 256 rows lacks about 21 apex frames: those clips take the middle frame",
            "sub16/EP01_08 is incomplete in Cropped",
        ),
    )  # fmt: skip

    def collect(self, root: Path, options: MicroOptions) -> Collected:
        """One sample per row of the coding file."""
        tree = Tree.walk(root)
        coding = tree.one(CODING, "coding file (CASME2-coding-*.xlsx)", options.coding)
        rows, headers = read_table(
            root / coding, COLUMNS, ("subject", "filename", "onset", "apex", "offset", "emotion")
        )
        coded = [_coded(row, self.spec) for row in rows if row["filename"] or _told(row, tree)]
        kinds = ("selected", "raw", "cropped") if options.images == "auto" else (options.images,)
        pattern = r"sub(?P<subject>\d+)/(?P<clip>[^/]+)/(?P<file>(?:reg_)?img[-_ ]?\d+" + IMAGE + ")"
        images = collect_clips(
            tree, pattern, lambda m: (str(int(m["subject"])), m["clip"].strip().lower()),
            lambda m: image_kind(m["base"] or "", m["file"]), kinds,
        )  # fmt: skip
        samples, problems = join(
            coded, images, lambda row: (str(int(row.subject[3:])), row.clip.lower()), options.missing_apex
        )
        expected = {"classes": {**self.spec.counts, **COUNTS_2019}} if "2019" in coding else {}
        sources = [told(coding, headers), *images.told()]
        return Collected(samples, tree.problems + problems, expected=expected, sources=sources)


def image_kind(base: str, file: str) -> str:
    """`cropped`, `selected` or `raw`, from the wrapper folders and the prefix of registered crops."""
    low = base.lower()
    if file.lower().startswith("reg_") or "crop" in low:
        return "cropped"
    return "selected" if "select" in low else "raw"


def _told(row: Row, tree: Tree) -> bool:
    """False for a row without a file name, and says so."""
    tree.problems.append(f"{row.where}: a row without Filename, not used")
    return False


def subject_number(row: Row) -> int:
    """The number in the Subject cell (`1`, `sub01`, `s15`).

    Raises:
        DataError: no number there; names the row.
    """
    digits = "".join(c for c in row["subject"] if c.isdigit())
    if not digits:
        raise DataError(f"{row.where}, column subject: got {row['subject']!r}, expected a number")
    return int(digits)


def _coded(row: Row, spec: DatasetSpec) -> Coded:
    attributes: Mapping[str, Any] = {"action_units": row["units"]} if row["units"] else {}
    raw = row["emotion"]
    return Coded(
        subject=f"sub{subject_number(row):02d}",
        clip=row["filename"],
        label=canonical(raw, spec.classes, f"{row.where}, column emotion") if raw else None,
        raw_label=raw,
        onset=row.integer("onset"),
        apex=row.integer("apex"),
        offset=row.integer("offset"),
        where=row.where,
        attributes=dict(attributes),
        excluded=None if raw else "no emotion in the coding file",
    )


PLUGIN = Casme2()
