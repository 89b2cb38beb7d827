"""CAS(ME)^2: spontaneous macro- and micro-expressions, coded in an Excel file of three sheets without headers."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import DatasetSpec
from fernas.datasets._coded_clips import Coded, CodedClips, CodedOptions, Coding, Key
from fernas.datasets._labels import canonical
from fernas.datasets._sheets import integer, read_grid
from fernas.datasets._tree import IMAGE, Images

CLASSES = ("negative", "positive", "surprise", "others")
ALL = {"negative": 126, "positive": 124, "surprise": 25, "others": 82}
MICRO = {"negative": 21, "positive": 8, "surprise": 9, "others": 19}
COUNTS = {"all": ALL, "micro": MICRO, "macro": {name: ALL[name] - MICRO[name] for name in ALL}}


class SquareOptions(CodedOptions):
    """Options of CAS(ME)^2."""

    subset: Literal["all", "macro", "micro"] = Field("all", description="which expressions")
    images: Literal["auto", "selected", "cropped", "raw"] = Field(
        "auto", description="selectedpic, cropped or rawpic; auto: the tree with most clips; if equal in this order"
    )


class CasmeSquare(CodedClips):
    """Reads `CAS(ME)^2code_final.xlsx` and `selectedpic/`, `cropped/` or `rawpic/`."""

    Config = SquareOptions
    coding_pattern = r"[^/]*code[-_ ]?final[^/]*\.(?:xlsx|xlsm|xls)"
    coding_name = "CAS(ME)^2code_final.xlsx"
    image_pattern = r"s?(?P<subject>\d{1,3})/(?P<clip>[^/]+)/(?P<file>(?:reg_)?img[-_ ]?\d+" + IMAGE + ")"
    image_kinds = ("selected", "cropped", "raw")
    spec = DatasetSpec(
        name="casme_sq",
        title="CAS(ME)^2",
        kind="clips",
        classes=CLASSES,
        licence="application form and licence, academic use only",
        citation="Qu, Wang, Yan, Li, Wu, Fu: CAS(ME)^2, IEEE Transactions on Affective Computing 9(4), 2018",
        homepage="http://casme.psych.ac.cn/casme/e3",
        fps=30.0,
        subjects=22,
        counts=ALL,
        layout=(
            "CAS(ME)^2code_final.xlsx (three sheets without headers: expressions, subjects, codes of the stimuli)",
            "selectedpic/s15/anger1_1/img557.jpg or cropped/15/anger1_1/img557.jpg",
            "rawpic/s15/15_0401girlcrashing/img001.jpg (long videos)",
        ),
        frame_rule="onset, apex, offset are the numbers in the file names; an offset of 0 means the last image",
        protocol="leave one subject out; 3 classes (without others), micro or all (to be stated); accuracy, UF1, UAR",
        tasks={
            "casme_sq-3": {"classes": ("negative", "positive", "surprise"), "frames": {"kind": "clip"}},
            "casme_sq-4": {"classes": CLASSES, "frames": {"kind": "clip"}},
        },
        notes=(
            "counts per class (300 macro, 57 micro) and the list of 22 subjects are from memory",
            "341 clips are said to be in the cropped folder: rows without images are excluded and listed",
            "whether papers use micro-expressions alone or all clips differs: option subset",
        ),
    )

    def clip_key(self, match: re.Match[str]) -> Key:
        """The subject's number with the clip's folder, or with the four digits of a long video's stimulus."""
        clip = match["clip"].strip().lower()
        # 15_0401girlcrashing: subject, four digits of the stimulus, free text
        stimulus = re.match(r"\d+_(\d{4})", clip)
        return (str(int(match["subject"])), stimulus[1] if stimulus else clip)

    def image_kind(self, match: re.Match[str]) -> str:
        """`cropped`, `raw` (long videos) or `selected`, from the wrapper folders and the clip's name."""
        base = (match["base"] or "").lower()
        if "crop" in base:
            return "cropped"
        return "raw" if "raw" in base or re.match(r"\d+_\d{4}", match["clip"]) else "selected"

    def read_coding(self, path: Path, name: str, images: Images, options: SquareOptions) -> Coding:
        """The rows of the first sheet, with subjects from the second and stimuli from the third."""
        # the first sheet names subjects by an index from 1 to 22 and stimuli by words: the other two translate
        subjects, stimuli = _subjects(path), _stimuli(path)
        is_raw = images.kind == "raw"
        rows = []
        for number, cells in enumerate(read_grid(path, 0), start=1):
            if not any(cells) or not cells[0].isdigit():
                continue  # a header that somebody added, or a note
            where = f"{path}: sheet 1, row {number}"
            if len(cells) < 8:
                raise DataError(f"{where}: got {len(cells)} cells, expected at least 8")
            subject, kind = _subject_and_type(cells, where, subjects)
            if options.subset not in ("all", kind):
                continue
            row = _coded_row(cells, where, subject, kind)
            rows.append(_in_long_video(row, stimuli) if is_raw else row)
        if not rows:
            raise DataError(f"{path}: sheet 1: no row of an expression ({options.subset})")
        return Coding(rows, name, only_span=is_raw, report_unlisted=options.subset == "all")

    def expected(self, name: str, options: SquareOptions) -> dict[str, Any]:
        """Published numbers of the subset."""
        return {
            "classes": COUNTS[options.subset],
            # micro-expressions were found in 14 of the 22 subjects
            "subjects": 14 if options.subset == "micro" else self.spec.subjects,
        }


def _subjects(path: Path) -> dict[str, str]:
    """Index in the first sheet -> subject number, from the second sheet."""
    subject_of: dict[str, str] = {}
    for number, cells in enumerate(read_grid(path, 1), start=1):
        digits = [re.sub(r"^s", "", cell, flags=re.IGNORECASE) for cell in cells[:3]]
        if len(digits) == 3 and all(cell.isdigit() for cell in digits):
            index, subject = str(int(digits[2])), str(int(digits[1]))
            if subject_of.setdefault(index, subject) != subject:
                raise DataError(
                    f"{path}: sheet 2, row {number}: index {index} means both s{subject_of[index]} and s{subject}"
                )
    if not subject_of:
        raise DataError(f"{path}: sheet 2: no row with subject number, folder and index, like 15, s15, 1")
    return subject_of


def _stimuli(path: Path) -> dict[str, str]:
    """Stimulus (`anger1`) -> its four digits in the names of the long videos, from the third sheet."""
    code_of = {}
    for cells in read_grid(path, 2):
        if len(cells) >= 2 and cells[0].isdigit() and cells[1]:
            # Excel turns 0401 into the number 401
            code_of[cells[1].strip().lower()] = cells[0].zfill(4)
    return code_of


def _subject_and_type(cells: list[str], where: str, subjects: dict[str, str]) -> tuple[str, str]:
    """The subject's number, and `macro` or `micro`."""
    index, kind = cells[0], cells[7].lower()
    if str(int(index)) not in subjects:
        raise DataError(f"{where}: subject index {index} is not in sheet 2")
    if not kind.startswith(("macro", "micro")):
        raise DataError(f"{where}: got type {cells[7]!r}, expected macro-expression or micro-expression")
    return subjects[str(int(index))], kind[:5]


def _coded_row(cells: list[str], where: str, subject: str, kind: str) -> Coded:
    """One row of the first sheet."""
    clip, units, emotion = cells[1], cells[5], cells[6]
    # the file writes 0 for a frame that is not annotated
    onset, apex, offset = (
        integer(cells[at], f"{where}, {name}") or None for at, name in enumerate(("onset", "apex", "offset"), start=2)
    )
    attributes: dict[str, Any] = {"type": kind}
    attributes |= {"action_units": units} if units else {}
    attributes |= {"self_report": cells[8]} if len(cells) > 8 and cells[8] else {}
    return Coded(
        subject=f"s{subject}", clip=clip, key=(subject, clip.lower()),
        label=canonical(emotion, CLASSES, f"{where}, emotion class"), raw_label=emotion,
        onset=onset, apex=apex, offset=offset, where=where, attributes=attributes,
    )  # fmt: skip


def _in_long_video(row: Coded, stimuli: dict[str, str]) -> Coded:
    """A row whose frames are in a long video: its folder is named by the stimulus."""
    clip = row.clip.lower()
    key = (row.subject[1:], stimuli.get(clip.rpartition("_")[0], clip))
    offset = row.offset
    if offset is None and row.onset is not None and row.apex is not None:
        # the last image of a long video is no offset: assume as long after the apex as before it
        offset = 2 * row.apex - row.onset
    return replace(row, key=key, offset=offset)


PLUGIN = CasmeSquare()
