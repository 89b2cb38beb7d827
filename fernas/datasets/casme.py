"""CASME (the first one): spontaneous micro-expressions at 60 frames per second."""

from dataclasses import replace
from typing import Any

from fernas.datasets._base import DatasetSpec
from fernas.datasets._coded_clips import Coded, CodedClips, SelectedOptions
from fernas.datasets._sheets import Row
from fernas.datasets._tree import IMAGE

# row of the released file, from 0 -> frames as corrected by others
KNOWN_ROWS: dict[int, dict[str, int | None]] = {
    40: {"onset": 100, "apex": 120, "offset": 149}, 42: {"onset": 101, "apex": 110, "offset": 119},
    43: {"onset": 57, "apex": 65, "offset": 74}, 54: {"offset": 40}, 140: {"offset": 142},
}  # fmt: skip


class Casme(CodedClips):
    """Reads a coding file and `CASME_raw_selected/` or `Cropped/` (`EP01_5-1.jpg`, `reg_EP01_5-126.jpg`)."""

    Config = SelectedOptions
    # not the coding files of CASME II or CAS(ME)^2, which may lie below the same root
    coding_pattern = (
        r"(?:CASME(?![-_ ]?(?:2|II|\^2|sq|\(ME))[^/]*|[^/]*section[-_ ]?[AB][^/]*|coding[^/]*)\.(?:xlsx|xlsm|xls|csv)"
    )
    coding_name = "casme.xlsx"
    image_pattern = r"sub(?P<subject>\d+)/(?P<clip>[^/]+)/(?P<file>[^/]*\d" + IMAGE + ")"
    spec = DatasetSpec(
        name="casme",
        title="CASME",
        kind="clips",
        classes=("tense", "disgust", "repression", "surprise", "happiness", "sadness", "fear", "contempt"),
        licence="application form and licence, academic use only",
        citation="Yan, Wu, Liu, Wang, Fu: CASME database, FG 2013",
        homepage="http://casme.psych.ac.cn/casme/e1",
        fps=60.0,
        subjects=19,
        counts={
            "tense": 69, "disgust": 44, "repression": 38, "surprise": 20, "happiness": 9, "sadness": 6, "fear": 2,
            "contempt": 1,
        },
        layout=(
            "casme.xlsx (Subject, Filename, OnsetF, ApexF1, ApexF2, OffsetF, AU, Emotion)",
            "CASME_raw_selected/sub01/EP01_5/EP01_5-1.jpg or Cropped/sub01/EP01_5/reg_EP01_5-126.jpg",
        ),
        frame_rule="onset, apex (ApexF1) and offset are the last numbers in the file names",
        protocol="leave one subject out; 4 classes (tense, repression, disgust, surprise: 171 clips); accuracy, F1",
        tasks={
            "casme-4": {"classes": ("tense", "repression", "disgust", "surprise"), "frames": {"kind": "clip"}},
        },
        notes=(
            "the official name of the coding file and the spelling of its emotions are unsure",
            "counts are those of the release with 189 clips, from memory; the paper says 195",
            "five rows with contradicting frames are corrected by their position in the file where that helps",
        ),
    )  # fmt: skip

    def coded_row(self, row: Row, index: int, options: Any) -> Coded:
        """As in CASME II, with the known corrections."""
        return replace(super().coded_row(row, index, options), correction=KNOWN_ROWS.get(index))


PLUGIN = Casme()
