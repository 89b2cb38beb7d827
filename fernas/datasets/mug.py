"""MUG: posed sequences from neutral over an apex back to neutral, by folders of subject, expression and take."""

import re
from pathlib import Path
from typing import Any

from fernas.datasets._base import Adapter, Collected, DatasetSpec
from fernas.datasets._folders import empty_sample, folder_clips, sequence_and_back
from fernas.datasets._labels import BASIC, canonical, is_word
from fernas.datasets._tree import Tree, summarise

CLASSES = (*BASIC, "neutral")
# the subject's folder is doubled where its archive was unpacked into a folder of its own name
TAKE = r"(?P<subject>\d{1,3})/(?:(?P=subject)/)?(?:session(?P<session>\d+)/)?(?P<word>[^/]+)/take(?P<take>\d+)"


class Mug(Adapter):
    """Reads `subjects3/<subject>/[session<n>/]<expression>/take<n>/`, with or without a doubled subject folder."""

    spec = DatasetSpec(
        name="mug",
        title="MUG",
        kind="sequences",
        classes=CLASSES,
        licence="signed licence, research only",
        citation="Aifanti, Papachristou, Delopoulos: The MUG facial expression database, WIAMIS 2010",
        homepage="https://mug.ee.auth.gr/fed/",
        fps=19.0,
        subjects=52,
        layout=(
            "subjects3/001/anger/take000/img_0000.jpg",
            "subjects3/002/session0/happiness/take001/img_0012.jpg (some subjects have sessions)",
        ),
        frame_rule="neutral, apex, neutral; no apex is annotated: 5 frames around the middle of the take are used",
        protocol="no official one; subject-independent 5-fold or leave one subject out, 6 or 7 classes; accuracy",
        tasks={
            "mug-6": {"classes": BASIC, "frames": {"kind": "peak", "peak": 5, "neutral": 0}},
            "mug-7n": {"classes": CLASSES, "frames": {"kind": "peak", "peak": 5, "neutral": 1}},
        },
        notes=(
            "86 subjects were recorded, 52 are on line; counts per class depend on the release",
            "which peak frames the papers picked by hand is not published",
            "frame names beyond their digits, 19 frames per second and 896x896 pixels are from memory",
        ),
    )

    def collect(self, root: Path, options: Any) -> Collected:
        """One sample per take."""
        tree = Tree.walk(root)
        takes = folder_clips(tree, TAKE, _key, lambda m: is_word(m["word"], CLASSES))
        samples = []
        for key, clip in takes.images.clips.items():
            word = key[2]
            samples.append(sequence_and_back(key[0], _clip(key), canonical(word, CLASSES, clip.refs[0]), word, clip))
        for key, folder in takes.empty.items():
            samples.append(empty_sample(key[0], _clip(key), canonical(key[2], CLASSES, folder), key[2]))
        unknown = sorted({m.string for m in tree.find_folders(TAKE) if not is_word(m["word"], CLASSES)})
        if unknown:
            takes.problems.append(f"{len(unknown)} takes are of no known expression, not used: {summarise(unknown)}")
        return Collected(samples, tree.problems + takes.problems, sources=takes.images.sources())


def _key(match: re.Match[str]) -> tuple[str, ...]:
    # three digits, whatever the padding of the folder's name
    return (f"{int(match['subject']):03d}", match["session"] or "", match["word"].lower(), match["take"])


def _clip(key: tuple[str, ...]) -> str:
    session = f"session{key[1]}_" if key[1] else ""
    return f"{session}{key[2]}_take{key[3]}"


PLUGIN = Mug()
