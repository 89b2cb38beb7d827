"""JAFFE: posed stills of ten Japanese women; subject and expression are in the file names."""

import re
from pathlib import Path
from typing import Any

from fernas.datasets._base import Adapter, Collected, DatasetSpec, Sample
from fernas.datasets._labels import BASIC
from fernas.datasets._tree import IMAGE, Tree, is_image_name, summarise

CODES = {
    "AN": "anger", "DI": "disgust", "FE": "fear", "HA": "happiness", "NE": "neutral", "SA": "sadness", "SU": "surprise",
}  # fmt: skip
PREFERRED = (".tiff", ".tif", ".png", ".bmp", ".jpg", ".jpeg")


class Jaffe(Adapter):
    """Reads `KA.AN1.39.tiff` and conversions of it."""

    spec = DatasetSpec(
        name="jaffe",
        title="JAFFE",
        kind="stills",
        classes=tuple(CODES.values()),
        licence="restricted access, non-commercial scientific use, limits on printing the images",
        citation="Lyons, Akamatsu, Kamachi, Gyoba: Coding facial expressions with Gabor wavelets, FG 1998",
        homepage="https://zenodo.org/record/3451524",
        subjects=10,
        counts={
            "anger": 30, "disgust": 29, "fear": 32, "happiness": 31, "neutral": 30, "sadness": 31, "surprise": 30,
        },
        labels=CODES,
        layout=("jaffe/KA.AN1.39.tiff (subject, expression and take, serial number)",),
        frame_rule="still images",
        protocol="leave one subject out (10 folds); 7 or 6 classes; accuracy; random folds leak subjects",
        tasks={
            "jaffe-7": {"classes": tuple(CODES.values()), "frames": {"kind": "still"}},
            "jaffe-6": {"classes": BASIC, "frames": {"kind": "still"}},
        },
        notes=("the address of the record and 256x256 grey TIFF are from memory",),
    )  # fmt: skip

    def collect(self, root: Path, options: Any) -> Collected:
        """One sample per image; of several conversions of one image the TIFF is used."""
        tree = Tree.walk(root)
        pattern = r"(?P<subject>[A-Z]{2})\.(?P<code>[A-Z]{2})(?P<take>\d+)\.(?P<serial>\d+)(?P<ext>" + IMAGE + ")"
        files_of: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        odd = []
        for name in tree.files:
            match = re.fullmatch(r"(?:.*/)?" + pattern, name, re.IGNORECASE)
            if match is None or match["code"].upper() not in CODES:
                odd += [name] if is_image_name(name) else []
                continue
            clip = f"{match['code'].upper()}{match['take']}.{match['serial']}"
            # copies of the dataset hold conversions beside the TIFF, which would count twice
            rank = next((i for i, ext in enumerate(PREFERRED) if match["ext"].lower().endswith(ext)), len(PREFERRED))
            files_of.setdefault((match["subject"].upper(), clip), []).append((rank, name.count("/"), name))
        problems = list(tree.problems)
        if odd:
            problems.append(f"{len(odd)} images are not named like KA.AN1.39.tiff, not used: {summarise(odd)}")
        samples = []
        for (subject, clip), files in files_of.items():
            # by kind of file, then depth: the TIFF is the released image, others are conversions
            name = min(files)[2]
            if len(files) > 1:
                problems.append(f"{subject}.{clip}: {len(files)} files of one image, used {name}")
            word = CODES[clip[:2]]
            samples.append(Sample(clip=clip, subject=subject, frames=[name], label=word, raw_label=clip[:2]))
        return Collected(samples, problems)


PLUGIN = Jaffe()
