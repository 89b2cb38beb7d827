"""CAS(ME)^2: spontaneous macro- and micro-expressions, coded in an Excel file of three sheets without headers."""

import re
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options
from fernas.datasets._labels import canonical
from fernas.datasets._micro import Coded, join
from fernas.datasets._sheets import integer, read_grid
from fernas.datasets._tree import IMAGE, Tree, collect_clips

CODING = r"[^/]*code[-_ ]?final[^/]*\.(?:xlsx|xlsm|xls)"
CLASSES = ("negative", "positive", "surprise", "others")
ALL = {"negative": 126, "positive": 124, "surprise": 25, "others": 82}
MICRO = {"negative": 21, "positive": 8, "surprise": 9, "others": 19}
COUNTS = {"all": ALL, "micro": MICRO, "macro": {name: ALL[name] - MICRO[name] for name in ALL}}


class SquareOptions(Options):
    """Options of CAS(ME)^2."""

    subset: Literal["all", "macro", "micro"] = Field("all", description="which expressions")
    images: Literal["auto", "selected", "cropped", "raw"] = Field(
        "auto", description="selectedpic, cropped or rawpic; auto: the tree with most clips; if equal in this order"
    )
    coding: str | None = Field(None, description="the coding file below the root, when there are several")
    missing_apex: Literal["middle", "exclude"] = Field("middle", description="clips whose apex is not annotated")


class CasmeSquare(Adapter):
    """Reads `CAS(ME)^2code_final.xlsx` and `selectedpic/`, `cropped/` or `rawpic/`."""

    Config = SquareOptions
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
        protocol="leave one subject out; 3 classes (without others); micro only or all: say which; accuracy, UF1, UAR",
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

    def collect(self, root: Path, options: SquareOptions) -> Collected:
        """One sample per row of the first sheet."""
        tree = Tree.walk(root)
        coding = tree.one(CODING, "coding file (CAS(ME)^2code_final.xlsx)", options.coding)
        path = root / coding
        people, codes = _people(path), _codes(path)
        kinds = ("selected", "cropped", "raw") if options.images == "auto" else (options.images,)
        clip = r"s?(?P<subject>\d{1,3})/(?P<clip>[^/]+)/(?P<file>(?:reg_)?img[-_ ]?\d+" + IMAGE + ")"
        images = collect_clips(tree, clip, _clip_key, lambda m: _kind(m["base"] or "", m["clip"]), kinds)
        is_raw = images.kind == "raw"
        coded = _coded_rows(path, people, options.subset, is_raw)
        if options.subset != "all":  # the other expressions have images too, which is nothing odd
            names = {_key(row, codes, is_raw) for row in coded}
            images.clips = {key: value for key, value in images.clips.items() if key in names}
        samples, problems = join(
            coded, images, lambda row: _key(row, codes, is_raw), options.missing_apex, only_span=is_raw
        )
        sources = [coding, *images.told()]
        expected = {
            "classes": COUNTS[options.subset],
            "subjects": 14 if options.subset == "micro" else self.spec.subjects,
        }
        return Collected(samples, tree.problems + problems, expected=expected, sources=sources)


def _kind(base: str, clip: str) -> str:
    low = base.lower()
    if "crop" in low:
        return "cropped"
    return "raw" if "raw" in low or re.match(r"\d+_\d{4}", clip) else "selected"


def _clip_key(match: re.Match[str]) -> tuple[str, ...]:
    clip = match["clip"].strip().lower()
    raw = re.match(r"\d+_(\d{4})", clip)
    return (str(int(match["subject"])), raw[1] if raw else clip)


def _key(row: Coded, codes: dict[str, str], is_raw: bool) -> tuple[str, ...]:
    clip = row.clip.lower()
    return (row.subject[1:], codes.get(clip.rpartition("_")[0], clip) if is_raw else clip)


def _people(path: Path) -> dict[str, str]:
    """Index in the first sheet -> subject number, from the second sheet."""
    found: dict[str, str] = {}
    for number, cells in enumerate(read_grid(path, 1), start=1):
        digits = [re.sub(r"^s", "", cell, flags=re.IGNORECASE) for cell in cells[:3]]
        if len(digits) == 3 and all(cell.isdigit() for cell in digits):
            index, subject = str(int(digits[2])), str(int(digits[1]))
            if found.setdefault(index, subject) != subject:
                raise DataError(
                    f"{path}: sheet 2, row {number}: index {index} means both s{found[index]} and s{subject}"
                )
    if not found:
        raise DataError(f"{path}: sheet 2: no row with subject number, folder and index, like 15, s15, 1")
    return found


def _codes(path: Path) -> dict[str, str]:
    """Stimulus (`anger1`) -> its four digits in the names of the long videos, from the third sheet."""
    found = {}
    for cells in read_grid(path, 2):
        if len(cells) >= 2 and cells[0].isdigit() and cells[1]:
            found[cells[1].strip().lower()] = cells[0].zfill(4)
    return found


def _coded_rows(path: Path, people: dict[str, str], subset: str, is_raw: bool) -> list[Coded]:
    rows = []
    for number, cells in enumerate(read_grid(path, 0), start=1):
        if not any(cells) or not cells[0].isdigit():
            continue  # a header that somebody added, or a note
        where = f"{path}: sheet 1, row {number}"
        if len(cells) < 8:
            raise DataError(f"{where}: got {len(cells)} cells, expected at least 8")
        index, clip, onset, apex, offset, units, emotion, kind = cells[:8]
        if str(int(index)) not in people:
            raise DataError(f"{where}: subject index {index} is not in sheet 2")
        low = kind.lower()
        if not low.startswith(("macro", "micro")):
            raise DataError(f"{where}: got type {kind!r}, expected macro-expression or micro-expression")
        if subset not in ("all", low[:5]):
            continue
        start = _frame(onset, f"{where}, onset")
        peak = _frame(apex, f"{where}, apex")
        end = _frame(offset, f"{where}, offset")
        if end is None and is_raw and start is not None and peak is not None:
            end = 2 * peak - start
        attributes: dict[str, Any] = {"type": low[:5]}
        attributes |= {"action_units": units} if units else {}
        attributes |= {"self_report": cells[8]} if len(cells) > 8 and cells[8] else {}
        label = canonical(emotion, CLASSES, f"{where}, emotion class")
        rows.append(Coded(f"s{people[str(int(index))]}", clip, label, emotion, start, peak, end, where, attributes))
    if not rows:
        raise DataError(f"{path}: sheet 1: no row of an expression ({subset})")
    return rows


def _frame(cell: str, where: str) -> int | None:
    number = integer(cell, where)
    return None if number == 0 else number


PLUGIN = CasmeSquare()
