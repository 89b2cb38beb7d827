"""CASME II: spontaneous micro-expressions at 200 frames per second, coded in an Excel file."""

from typing import Any

from fernas.datasets._base import DatasetSpec
from fernas.datasets._coded_clips import CodedClips, SelectedOptions
from fernas.datasets._tree import IMAGE

COUNTS_2019 = {"surprise": 28, "sadness": 4}  # three clips of sub24 have other labels in the file of 2019


class Casme2(CodedClips):
    """Reads a coding file of any release and `Cropped/`, `CASME2_RAW_selected/` or `CASME2-RAW/`."""

    Config = SelectedOptions
    coding_pattern = r"(?:CASME ?(?:2|II)[-_ ]*(?:coding|label)[^/]*|coding)\.(?:xlsx|xlsm|xls|csv)"
    coding_name = "CASME2-coding-*.xlsx"
    image_pattern = r"sub(?P<subject>\d+)/(?P<clip>[^/]+)/(?P<file>(?:reg_)?img[-_ ]?\d+" + IMAGE + ")"
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

    def expected(self, name: str, options: Any) -> dict[str, Any]:
        """The counts of the release whose year is in the coding file's name."""
        return {"classes": {**self.spec.counts, **COUNTS_2019}} if "2019" in name else {}


PLUGIN = Casme2()
