"""SMIC: spontaneous micro-expressions from three cameras (HS, VIS, NIR); labels are folder names."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import Field

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Options, Sample
from fernas.datasets._coded_clips import Coded, Coding, join
from fernas.datasets._sheets import Row, read_table
from fernas.datasets._tree import IMAGE, Clip, Images, Tree, collect_clips

CODES = {"ne": "negative", "po": "positive", "sur": "surprise"}
CAMERA = re.compile(r"(?:^|[/_\- ])(HS|VIS|NIR)(?=[/_\- ]|$)", re.IGNORECASE)
CLIP = r"s(?P<subject>\d+)_(?P<code>ne|po|sur)_(?P<number>\d+)"
COLUMNS = {
    "subject": ("Subject",), "filename": ("Filename", "File name"), "emotion": ("Emotion",),
    "onset": ("OnsetF", "Onset"), "offset": ("OffsetF", "Offset"), "apex": ("ApexF", "Apex"), "first": ("FirstF",),
    "onset2": ("Onset2F",), "offset2": ("Offset2F",), "onset3": ("Onset3F",), "offset3": ("Offset3F",),
}  # fmt: skip
COUNTS = {
    "HS": {"negative": 70, "positive": 51, "surprise": 43},
    "VIS": {"negative": 23, "positive": 28, "surprise": 20},
    "NIR": {"negative": 23, "positive": 28, "surprise": 20},
}
SUBJECTS = {"HS": 16, "VIS": 8, "NIR": 8}
FPS = {"HS": 100.0, "VIS": 25.0, "NIR": 25.0}


class SmicOptions(Options):
    """Options of SMIC."""

    camera: Literal["HS", "VIS", "NIR"] = Field("HS", description="which camera")
    images: Literal["auto", "cropped", "raw", "extended"] = Field(
        "auto", description="SMIC_all_cropped, SMIC_all_raw or SMIC-E; auto: the one with most clips; if equal raw"
    )
    annotation: str | None = Field(
        None, description="SMIC-E: the annotation file below the root, when there are several"
    )


class Smic(Adapter):
    """Reads the cropped, the raw and the extended (SMIC-E) release."""

    Config = SmicOptions
    spec = DatasetSpec(
        name="smic",
        title="SMIC (HS; VIS and NIR by option)",
        kind="clips",
        classes=("negative", "positive", "surprise"),
        licence="release agreement, academic use only",
        citation="Li, Pfister, Huang, Zhao, Pietikainen: A Spontaneous Micro-expression Database, FG 2013",
        homepage="https://www.oulu.fi/cmvs/node/41319",
        fps=100.0,
        subjects=16,
        counts=COUNTS["HS"],
        same_people_as=("megc2019",),
        labels=CODES,
        layout=(
            "SMIC_all_cropped/HS/s1/micro/negative/s1_ne_01/reg_image559740.bmp",
            "SMIC_all_raw/HS/s1/micro/negative/s1_ne_01/image559740.bmp",
            "SMIC-E_raw image/HS_long/SMIC-HS-E/s01/s1_ne_01/image559700.jpg with SMIC-HS-E_annotation.xlsx",
        ),
        frame_rule="clips run from onset to offset; no apex is annotated: the middle frame, recorded as such",
        protocol="leave one subject out (16 folds), 3 classes; accuracy, UF1, UAR over pooled predictions",
        tasks={"smic-3": {"classes": ("negative", "positive", "surprise"), "frames": {"kind": "clip"}}},
        notes=(
            "class counts and the 8 subjects of VIS and NIR are from memory (the sum, 71 clips, is published)",
            "s18_sur_03 is missing in SMIC_all_cropped, so 163 clips are usable from it",
            "the order of the later columns of the SMIC-E annotation is known from one loader",
        ),
    )  # fmt: skip

    def collect(self, root: Path, options: SmicOptions) -> Collected:
        """One sample per clip folder, or per annotated expression of a long clip."""
        tree = Tree.walk(root)
        pattern = r"(?P<clip>" + CLIP + r")/(?P<file>[^/]+" + IMAGE + ")"
        camera_of = _camera_of(root, options.camera)
        kinds = ("raw", "cropped", "extended") if options.images == "auto" else (options.images,)
        images = collect_clips(
            tree,
            pattern,
            lambda m: (f"s{int(m['subject'])}", clip_id(m["clip"])),
            lambda m: (
                _release(m["base"] or "", m["file"]) if camera_of(m["base"] or "") == options.camera else "other camera"
            ),
            kinds,
        )
        problems = tree.problems + images.problems
        empty = [
            m.string
            for m in tree.find_folders(r"(?P<clip>" + CLIP + ")")
            if camera_of(m["base"] or "") == options.camera
        ]
        if images.clips and images.kind == "extended":
            samples, more = _extended(tree, images, options)
            problems = tree.problems + more
        else:
            samples = [_whole(key, clip, problems) for key, clip in images.clips.items()]
            samples += _empty(empty, images, {s.clip for s in samples}, problems)
        expected = {"classes": COUNTS[options.camera], "subjects": SUBJECTS[options.camera]}
        if images.kind == "extended":
            expected["classes"] = {}  # 157 long clips of HS, some with several expressions: no published counts
        return Collected(samples, problems, fps=FPS[options.camera], expected=expected, sources=images.sources())


def clip_id(name: str) -> str:
    """`s01_ne_01` or `S1_NE_01` -> `s1_ne_01`."""
    match = re.fullmatch(CLIP, name.strip(), re.IGNORECASE)
    return f"s{int(match['subject'])}_{match['code'].lower()}_{match['number']}" if match else name.strip()


def _camera_of(root: Path, wanted: str) -> Callable[[str], str]:
    """The camera of a base folder: the last one in its path, else in the root's name, else the wanted one."""
    at_root = CAMERA.findall(root.resolve().name)

    def camera(base: str) -> str:
        # the last one wins: HS_long/SMIC-HS-E names it twice, a wrapper may name another
        cameras = CAMERA.findall(base) or at_root
        return cameras[-1].upper() if cameras else wanted

    return camera


def _release(base: str, file: str) -> str:
    """`cropped`, `raw` or `extended` (SMIC-E), from the folders and the prefix of registered crops."""
    low = base.lower()
    if file.lower().startswith("reg_") or "crop" in low:
        return "cropped"
    return "extended" if re.search(r"smic-(?:hs-|vis-|nir-)?e(?:[/_\- ]|$)|_long(?:[/_\- ]|$)", low) else "raw"


def _label_of(name: str) -> str:
    return CODES[name.split("_")[1].lower()]


def _whole(key: tuple[str, ...], clip: Clip, problems: list[str]) -> Sample:
    """A clip that runs from onset to offset."""
    last = len(clip.refs) - 1
    # SMIC annotates no apex: the middle frame is the convention of the field
    sample = Sample(
        clip=key[1], subject=key[0], frames=clip.refs, label=_label_of(key[1]), raw_label=key[1].split("_")[1],
        kind="clip", onset=0, apex=last // 2, offset=last, apex_source="middle",
    )  # fmt: skip
    folder = clip.refs[0].split("/")
    # the label is in two places, the folder and the clip's name: they must agree
    words = [part.lower() for part in folder[:-2] if part.lower() in CODES.values()]
    subjects = [part.lower() for part in folder[:-2] if re.fullmatch(r"s\d+", part, re.IGNORECASE)]
    if words and words[-1] != sample.label:
        sample.excluded = f"the folder says {words[-1]}, the clip's name says {sample.label}"
    elif subjects and int(subjects[-1][1:]) != int(key[0][1:]):
        sample.excluded = f"the folder says subject {subjects[-1]}, the clip's name says {key[0]}"
    gaps = clip.numbers[-1] - clip.numbers[0] + 1 - len(clip.numbers)
    if sample.excluded or gaps:
        problems.append(f"{key[0]}/{key[1]}: {sample.excluded or f'{gaps} frames are missing'}")
    return sample


def _empty(folders: list[str], images: Images, clips: set[str], problems: list[str]) -> list[Sample]:
    """Clip folders below the chosen base that hold no image: excluded rows."""
    samples = []
    for folder in folders:
        name = clip_id(folder.rsplit("/", 1)[-1])
        parent = folder.rsplit("/", 1)[0]
        if name in clips or _release(parent, "") not in {_release(base, "") for base in images.bases}:
            continue
        clips.add(name)
        problems.append(f"{folder}: a clip folder without images")
        samples.append(Sample(clip=name, subject=name.split("_")[0], frames=[], label=_label_of(name), kind="clip",
                              raw_label=name.split("_")[1], excluded="no images in the clip's folder"))  # fmt: skip
    return samples


def _extended(tree: Tree, images: Images, options: SmicOptions) -> tuple[list[Sample], list[str]]:
    """SMIC-E: up to three expressions per long clip, positions from the annotation file."""
    pattern = rf"SMIC-{options.camera}-E[^/]*annotation[^/]*\.(?:xlsx|xlsm|xls|csv)"
    name = tree.one(pattern, f"annotation file (SMIC-{options.camera}-E_annotation.xlsx)", options.annotation)
    rows, _ = read_table(tree.root / name, COLUMNS, ("filename", "onset", "offset"))
    coded = []
    for row in rows:
        if not re.fullmatch(CLIP, row["filename"], re.IGNORECASE):
            continue  # lines of text below the table
        coded += _coded(row, images)
    if not coded:
        raise DataError(f"{tree.root / name}: no row whose Filename is a clip like s1_ne_01")
    return join(Coding(coded, name), images)


def _coded(row: Row, images: Images) -> list[Coded]:
    """Up to three expressions of one long clip."""
    clip = clip_id(row["filename"])
    subject = clip.split("_")[0]
    long_clip = images.clips.get((subject, clip))
    first = row.integer("first")
    coded = []
    for suffix in ("", "2", "3"):
        onset, offset = row.integer(f"onset{suffix}"), row.integer(f"offset{suffix}")
        # most clips hold one expression, the columns of a second and third are blank or 0 then
        if suffix and (onset is None or onset <= 0):
            continue
        # only the file of 2019 has apexes, and only for the first expression
        apex = row.integer("apex") if not suffix else None
        shift = _shift(long_clip, onset, first)
        start, peak, end = (None if n is None or n <= 0 else n + shift for n in (onset, apex, offset))
        name = clip if not suffix else f"{clip}#{suffix}"
        label, raw = _label_of(clip), clip.split("_")[1]
        coded.append(Coded(subject, name, (subject, clip), label, raw, start, peak, end, row.where))
    return coded


def _shift(clip: Clip | None, onset: int | None, first: int | None) -> int:
    """What to add to an annotated number to get the number in the file name: 0, or first image - FirstF."""
    if clip is None or onset is None or onset in clip.numbers or first is None:
        return 0
    # no file carries the annotated number: images are counted from FirstF
    return clip.numbers[0] - first


PLUGIN = Smic()
