"""One small real-layout tree per adapter, for the tests that run over all of them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.datasets import more_trees, trees


def own(root: Path) -> None:
    """A dataset of one's own: folders of frames, images and a video with subjects, splits and groups."""
    rows = ["path,label,subject,split,onset,apex,offset,group"]
    for serial, (subject, label) in enumerate([("ann", "joy"), ("ann", "rage"), ("bob", "joy"), ("eve", "rage")]):
        for n in range(1, 8):
            trees.image(root / f"clips/{subject}_{label}/f{n}.png", (40, 40), 10 * serial + n)
        rows.append(f"clips/{subject}_{label},{label},{subject},train,2,4,7,g{serial}")
        trees.image(root / f"stills/{subject} {label}.jpg", (40, 40), 70 + serial)
        rows.append(f"stills/{subject} {label}.jpg,{label},{subject},test,,,,")
    trees.text(root / "list.csv", "\n".join(rows) + "\n")


def composite(root: Path) -> None:
    """The three parts of MEGC2019, each in a folder named like it."""
    trees.casme2(root / "casme2")
    trees.samm(root / "samm")
    trees.smic_cropped(root / "smic")


@dataclass(frozen=True)
class Case:
    write: Callable[[Path], None]
    samples: int
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "casme": Case(more_trees.casme, 4),
    "casme2": Case(trees.casme2, 7),
    "casme_sq": Case(more_trees.casme_sq, 5),
    "ck48": Case(more_trees.ck48, 21),
    "ckplus": Case(trees.ckplus, 6),
    "custom": Case(own, 8),
    "disfa": Case(lambda root: more_trees.disfa(root, "from 0"), 15, {"neutral_runs": 1}),
    "fer2013": Case(trees.fer2013_csv, 30),
    "ised": Case(more_trees.ised, 4),
    "jaffe": Case(more_trees.jaffe, 21),
    "megc2019": Case(composite, 15),
    "mug": Case(more_trees.mug, 10),
    "oulu": Case(more_trees.oulu, 7),
    "rafdb": Case(more_trees.rafdb, 14),
    "samm": Case(trees.samm, 7),
    "smic": Case(trees.smic_cropped, 6),
}
MORE = {
    "ck48 h5": ("ck48", more_trees.ck48_h5),
    "disfa video": ("disfa", more_trees.disfa),
    "fer2013 folders": ("fer2013", trees.fer2013_folders),
    "fer2013 h5": ("fer2013", trees.fer2013_h5),
    "ised mat": ("ised", lambda root: more_trees.ised(root, "mat")),
    "rafdb original": ("rafdb", lambda root: more_trees.rafdb(root, "original")),
    "smic extended": ("smic", trees.smic_extended),
    "smic raw": ("smic", trees.smic_raw),
}
