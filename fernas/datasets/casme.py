"""CASME (the first one): spontaneous micro-expressions at 60 frames per second."""

from pathlib import Path

from fernas.datasets._base import Adapter, Collected, DatasetSpec
from fernas.datasets._labels import canonical
from fernas.datasets._micro import Coded, join
from fernas.datasets._sheets import Row, read_table, told
from fernas.datasets._tree import IMAGE, Tree, collect_clips
from fernas.datasets.casme2 import COLUMNS, MicroOptions, image_kind, subject_number

CODING = r"(?:CASME(?![-_ ]?(?:2|II|\^2|sq|\(ME))[^/]*|[^/]*section[-_ ]?[AB][^/]*|coding[^/]*)\.(?:xlsx|xlsm|xls|csv)"
# row of the released file, from 0 -> frames as corrected by others, tried where the row contradicts itself
KNOWN_ROWS: dict[int, dict[str, int | None]] = {
    40: {"onset": 100, "apex": 120, "offset": 149},
    42: {"onset": 101, "apex": 110, "offset": 119},
    43: {"onset": 57, "apex": 65, "offset": 74},
    54: {"offset": 40},
    140: {"offset": 142},
}


class Casme(Adapter):
    """Reads a coding file and `CASME_raw_selected/` or `Cropped/` (`EP01_5-1.jpg`, `reg_EP01_5-126.jpg`)."""

    Config = MicroOptions
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

    def collect(self, root: Path, options: MicroOptions) -> Collected:
        """One sample per row of the coding file."""
        tree = Tree.walk(root)
        coding = tree.one(CODING, "coding file (casme.xlsx)", options.coding)
        rows, headers = read_table(
            root / coding, COLUMNS, ("subject", "filename", "onset", "apex", "offset", "emotion")
        )
        coded: list[Coded] = []
        fixes: dict[tuple[str, ...], dict[str, int | None]] = {}
        for at, row in enumerate(rows):
            if not row["filename"]:
                tree.problems.append(f"{row.where}: a row without Filename, not used")
                continue
            coded.append(_coded(row, self.spec))
            if at in KNOWN_ROWS:
                fixes[_key(coded[-1])] = KNOWN_ROWS[at]
        kinds = ("selected", "raw", "cropped") if options.images == "auto" else (options.images,)
        pattern = r"sub(?P<subject>\d+)/(?P<clip>[^/]+)/(?P<file>[^/]*\d" + IMAGE + ")"
        images = collect_clips(
            tree,
            pattern,
            lambda m: (str(int(m["subject"])), m["clip"].strip().lower()),
            lambda m: image_kind(m["base"] or "", m["file"]),
            kinds,
        )
        samples, problems = join(coded, images, _key, options.missing_apex, fixes)
        return Collected(samples, tree.problems + problems, sources=[told(coding, headers), *images.told()])


def _key(row: Coded) -> tuple[str, ...]:
    return (str(int(row.subject[3:])), row.clip.lower())


def _coded(row: Row, spec: DatasetSpec) -> Coded:
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
        attributes={"action_units": row["units"]} if row["units"] else {},
        excluded=None if raw else "no emotion in the coding file",
    )


PLUGIN = Casme()
