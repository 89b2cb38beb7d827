"""CK48: the last three frames of the labelled CK+ sequences as 48x48 faces, in class folders or an HDF5."""

from pathlib import Path
from typing import Any

from fernas.core.errors import DataError
from fernas.datasets._base import Adapter, Collected, DatasetSpec, Sample, base_folder
from fernas.datasets._labels import canonical, is_word
from fernas.datasets._tree import IMAGE, Tree, is_image_name, stem_of, summarise
from fernas.datasets.containers import h5_array, h5_names, h5_pixels

CLASSES = ("anger", "contempt", "disgust", "fear", "happiness", "sadness", "surprise")
# the HDF5 of Auto-FERNet has contempt last, unlike the alphabetical order of class folders
H5_ORDER = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "contempt")
PER_SEQUENCE = 3


class Ck48(Adapter):
    """Reads `CK+48/<class>/S010_004_00000017.png` and the HDF5 with `data_pixel` and `data_label`."""

    spec = DatasetSpec(
        name="ck48",
        title="CK48 (CK+ at 48x48)",
        kind="stills",
        classes=CLASSES,
        licence="as CK+, from which it is derived",
        citation="Lucey et al.: The Extended Cohn-Kanade Dataset, CVPRW 2010 (derived images)",
        homepage="https://www.jeffcohn.net/Resources/",
        subjects=118,
        counts={
            "anger": 135, "contempt": 54, "disgust": 177, "fear": 75, "happiness": 207, "sadness": 84, "surprise": 249,
        },
        same_people_as=("ckplus",),
        ships_crops=True,
        labels={str(code): word for code, word in enumerate(H5_ORDER)},
        layout=(
            "CK+48/anger/S010_004_00000017.png (class folders; subject and sequence are in the name)",
            "CK_data.h5 (data_pixel (981, 48, 48), data_label with contempt last; without subjects)",
        ),
        frame_rule="still images: the last 3 frames of each labelled sequence, no neutral ones",
        protocol="subject-independent 10-fold; Auto-FERNet's folds by position are a replica that mixes subjects",
        tasks={"ck48-7c": {"classes": CLASSES, "frames": {"kind": "still"}}},
        notes=(
            "random splits of images put almost equal frames into both the train and the test split",
            "the HDF5 has no subjects, so only replicas by position can use it; each three rows are one sequence",
        ),
    )  # fmt: skip

    def collect(self, root: Path, options: Any) -> Collected:
        """One sample per image."""
        folder = base_folder(root)
        tree = Tree(folder, [root.name]) if root.is_file() else Tree.walk(root)
        store = tree.optional(r"[^/]*\.(?:h5|hdf5)")
        if store is not None and not any(is_image_name(name) for name in tree.files):
            return _from_h5(folder, store, tree)
        pattern = r"(?P<word>[^/]+)/(?P<subject>S\d{3,})_(?P<sequence>\d{3,})_(?P<number>\d+)" + IMAGE
        by_name: dict[str, Sample] = {}
        problems = list(tree.problems)
        used = set()
        # shallow files first: of several copies of one image the one nearest to the root is used
        for match in sorted(tree.find(pattern), key=lambda m: m.string.count("/")):
            if not is_word(match["word"], CLASSES):
                continue
            used.add(match.string)
            sample = _sample(match.string, match["word"], match["subject"], match["sequence"], match["number"])
            name = stem_of(match.string).upper()
            if name not in by_name:
                by_name[name] = sample
            elif by_name[name].label != sample.label:
                raise DataError(f"{folder}: {match.string} and {by_name[name].frames[0]} are one image with two labels")
            else:
                problems.append(f"{match.string}: the same image as {by_name[name].frames[0]}, not used")
        left = [name for name in tree.files if is_image_name(name) and name not in used]
        if left:
            reason = "folder is no emotion, or the name has no subject"
            problems.append(f"{len(left)} images are not used ({reason}): {summarise(left)}")
        return Collected(list(by_name.values()), problems)


def _sample(ref: str, word: str, subject: str, sequence: str, number: str) -> Sample:
    return Sample(
        clip=sequence, subject=subject.upper(), frame=number, frames=[ref], label=canonical(word, CLASSES, ref),
        raw_label=word,
    )  # fmt: skip


def _from_h5(folder: Path, name: str, tree: Tree) -> Collected:
    """One sample per row of the HDF5 file."""
    path = folder / name
    names = h5_names(path)
    if "data_pixel" not in names or "data_label" not in names:
        raise DataError(f"{path}: no datasets data_pixel and data_label; there: {', '.join(names) or 'nothing'}")
    codes = h5_array(path, "data_label").reshape(-1)
    pixels = h5_pixels(path, "data_pixel")
    if len(codes) != len(pixels):
        raise DataError(f"{path}: data_pixel has {len(pixels)} images, data_label {len(codes)} labels")
    serials: dict[int, int] = {}
    samples = []
    for row, value in enumerate(codes):
        code = int(value)
        if not 0 <= code < len(H5_ORDER) or code != float(value):
            raise DataError(f"{path}: data_label row {row}: got {value}, expected 0 to 6")
        # nothing names the sequence, but the three rows of one follow each other within a class
        serial = serials[code] = serials.get(code, -1) + 1
        group = f"h5/{H5_ORDER[code]}/{serial // PER_SEQUENCE}"
        ref = f"{name}#data_pixel/{row}"
        samples.append(Sample(clip=f"{row:05d}", group=group, frames=[ref], label=H5_ORDER[code], raw_label=str(code)))
    problem = f"{name}: has no subjects: subject-independent protocols are refused"
    return Collected(samples, [*tree.problems, problem])


PLUGIN = Ck48()
