"""SAMM: spontaneous micro-expressions at 200 frames per second, coded in an Excel file below some lines of text."""

import re
from dataclasses import replace
from typing import Literal

from pydantic import Field

from fernas.datasets._base import DatasetSpec
from fernas.datasets._coded_clips import Coded, CodedClips, CodedOptions, Key, subject_number
from fernas.datasets._sheets import Row
from fernas.datasets._tree import IMAGE

# Filename -> corrected frames, for annotations that contradict themselves; None: the middle frame
KNOWN: dict[str, dict[str, int | None]] = {
    "013_1_9": {"offset": 5739}, "028_4_1": {"apex": None}, "032_3_1": {"apex": None}, "032_3_2": {"apex": 5127},
}  # fmt: skip


class SammOptions(CodedOptions):
    """Options of SAMM."""

    images: Literal["auto", "full", "cropped"] = Field("auto", description="which images; auto: in this order")
    known_corrections: bool = Field(
        True, description="correct known wrong frames where the annotation contradicts itself"
    )


class Samm(CodedClips):
    """Reads `SAMM_Micro_FACS_Codes_v2.xlsx` (header in row 1 or below text) and `SAMM/` or `SAMM_CROP/`."""

    Config = SammOptions
    coding_pattern = r"[^/]*(?:Micro[-_ ]?FACS|FACS[-_ ]?Codes)[^/]*\.(?:xlsx|xlsm|xls|csv)"
    coding_name = "SAMM_Micro_FACS_Codes_v2.xlsx"
    columns = {
        "subject": ("Subject",), "filename": ("Filename", "File name"), "onset": ("Onset Frame", "Onset", "OnsetF"),
        "apex": ("Apex Frame", "Apex", "ApexF"), "offset": ("Offset Frame", "Offset", "OffsetF"),
        "units": ("Action Units", "AU"), "emotion": ("Estimated Emotion", "Emotion"),
        "objective": ("Objective Classes", "Objective Class", "Classes"), "micro": ("Micro",),
    }  # fmt: skip
    image_pattern = r"(?P<subject>\d{1,3})/(?P<clip>\d{1,3}_\d+_\d+)/(?P<file>[^/]+" + IMAGE + ")"
    image_kinds = ("full", "cropped")
    spec = DatasetSpec(
        name="samm",
        title="SAMM",
        kind="clips",
        classes=("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise", "others"),
        licence="release agreement, academic use only",
        citation="Davison, Lansley, Costen, Tan, Yap: SAMM, IEEE Transactions on Affective Computing 9(1), 2018",
        homepage="http://www2.docm.mmu.ac.uk/STAFF/M.Yap/dataset.php",
        fps=200.0,
        subjects=29,
        counts={
            "anger": 57, "contempt": 12, "disgust": 9, "fear": 8, "happiness": 26, "sadness": 6, "surprise": 15,
            "others": 26,
        },
        same_people_as=("megc2019",),
        layout=(
            "SAMM_Micro_FACS_Codes_v2.xlsx (Subject, Filename, Onset Frame, Apex Frame, Offset Frame, ...)",
            "SAMM/006/006_1_2/006_05562.jpg (folder = Filename; number = frame of the recording)",
            "SAMM_CROP/006/006_1_2/... (face crops, optional)",
        ),
        frame_rule="onset, apex and offset are annotated as the numbers in the file names",
        protocol="leave one subject out; 5 classes (anger, happiness, contempt, surprise, others) or the 3 of MEGC2019",
        tasks={
            "samm-5": {"classes": ("anger", "happiness", "contempt", "surprise", "others"), "frames": {"kind": "clip"}},
            "samm-3": {
                "classes": ("negative", "positive", "surprise"), "frames": {"kind": "clip"},
                "label_map": {"anger": "negative", "contempt": "negative", "disgust": "negative", "fear": "negative",
                              "sadness": "negative", "happiness": "positive"},
            },
        },
        notes=(
            "the header is in row 1 or row 14, depending on the release: it is searched for",
            "013_1_9 (offset), 028_4_1, 032_3_1, 032_3_2 (apex) are wrong in the coding file; corrected and reported",
            "the homepage's address has moved more than once",
        ),
    )  # fmt: skip

    def clip_key(self, match: re.Match[str]) -> Key:
        """The clip's folder, which names the subject too."""
        return (_clip_id(match["clip"]),)

    def image_kind(self, match: re.Match[str]) -> str:
        """`cropped` or `full`, from the wrapper folders."""
        return "cropped" if "crop" in (match["base"] or "").lower() else "full"

    def coded_row(self, row: Row, index: int, options: SammOptions) -> Coded:
        """One row below the header; a row whose Subject and Filename disagree is excluded."""
        coded = super().coded_row(row, index, options)
        subject, clip = f"{subject_number(row):03d}", _clip_id(row["filename"])
        # 0 and -1 are both used for missing values
        frames = [None if number in (0, -1) else number for number in (coded.onset, coded.apex, coded.offset)]
        excluded = coded.excluded
        # the Filename begins with the subject, so a slip in either cell shows
        if clip.split("_")[0] != subject:
            excluded = f"Subject {row['subject']} and Filename {row['filename']} disagree"
        return replace(
            coded, subject=subject, clip=clip, key=(clip,), onset=frames[0], apex=frames[1], offset=frames[2],
            attributes={name: row[name] for name in ("units", "objective", "micro") if row[name]}, excluded=excluded,
            correction=KNOWN.get(clip) if options.known_corrections else None,
        )  # fmt: skip


def _clip_id(name: str) -> str:
    """`6_1_2` or `006_1_2` -> `006_1_2`."""
    first, _, rest = name.strip().partition("_")
    return f"{int(first):03d}_{rest}" if first.isdigit() and rest else name.strip()


PLUGIN = Samm()
