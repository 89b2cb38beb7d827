"""Writes configs/huge.yaml: 14 datasets x 15 methods x 10 seeds, leave one subject out, for trying plans at scale.

python tools/huge_config.py [file]
"""

import sys
from pathlib import Path
from typing import Any

import yaml

SEEDS = 10
ALIGNED = ("fer2013", "rafdb")  # no subjects: their official split instead of leave one subject out
CLIPS = ("casme", "casme2", "casme_sq", "samm", "smic")
SIX = ["anger", "disgust", "fear", "happiness", "sadness", "surprise"]
CLASSES = {
    "ckplus": SIX,
    "ck48": [*SIX, "contempt"],
    "mug": SIX,
    "ised": ["happiness", "surprise", "sadness", "disgust"],
    "disfa": SIX,
    "oulu": SIX,
    "fer2013": [*SIX, "neutral"],
    "rafdb": [*SIX, "neutral"],
    "jaffe": [*SIX, "neutral"],
    "casme": ["tense", "disgust", "repression", "surprise"],
    "casme2": ["happiness", "disgust", "repression", "surprise", "others"],
    "casme_sq": ["negative", "positive", "surprise"],
    "samm": ["anger", "happiness", "contempt", "surprise", "others"],
    "smic": ["negative", "positive", "surprise"],
}
SEARCHES = {  # name -> (search, space, what else)
    "emonas": ("darts_first", "emonas", {}),
    "emonas_second": ("darts_second", "emonas", {}),
    "emonas_relabel": ("darts_first", "emonas", {"recipe": "relabel"}),
    "darts": ("darts_first", "darts", {}),
    "darts_second": ("darts_second", "darts", {}),
    "autofernet": ("sgas", "autofernet", {"recipe": "relabel"}),
    "autofernet_plain": ("sgas", "autofernet", {}),
    "random": ("random", "emonas", {"budget_from": "emonas"}),
    "random_autofernet": ("random", "autofernet", {"budget_from": "autofernet"}),
    "random_mean": ("random_mean", "emonas", {}),
}
FIXED = ("small_cnn", "mobilenet_v2", "vgg16", "vgg19", "resnet50")


def document() -> dict[str, Any]:
    """The study."""
    return {
        "results": "results-huge",
        "seed": 1,
        "datasets": {name: {"source": "real", "root": f"datasets/{name}"} for name in CLASSES},
        "views": {
            "still-rgb48": {"kind": "still", "size": 48, "colour": "rgb"},
            "dyn-rgb48": {"kind": "dynamic", "size": 48, "colour": "rgb", "weights": "bilen", "span": "onset_apex"},
        },
        "tasks": {f"{name}-{len(classes)}": _task(name, classes) for name, classes in CLASSES.items()},
        "protocols": {
            "loso": {"kind": "loso", "groups": 4, "shards": 4},
            "official": {"kind": "official", "groups": 1, "shards": 1},
        },
        "methods": {
            **{name: _search(*entry) for name, entry in SEARCHES.items()},
            **{name: {"search": "fixed", "search_options": {"name": name}, "train_seeds": SEEDS} for name in FIXED},
        },
        "study": [
            {
                "task": f"{name}-{len(classes)}",
                "protocol": "official" if name in ALIGNED else "loso",
                "methods": [*SEARCHES, *FIXED],
            }
            for name, classes in CLASSES.items()
        ],
    }


def _task(name: str, classes: list[str]) -> dict[str, Any]:
    clip = name in CLIPS
    rule = {"frames": {"kind": "clip"}} if clip else {}
    return {"dataset": name, "classes": classes, **rule, "view": "dyn-rgb48" if clip else "still-rgb48"}


def _search(search: str, space: str, more: dict[str, Any]) -> dict[str, Any]:
    return {"search": search, "space": space, "network": {"cells": 6, "channels": 16}, "search_seeds": SEEDS, **more}


def text() -> str:
    """The file."""
    head = (
        "# Written by tools/huge_config.py: 14 datasets x 15 methods x 10 seeds, to try plans at scale. Do not edit.\n"
    )
    return head + yaml.safe_dump(document(), sort_keys=False, default_flow_style=None, width=120)


def main(arguments: list[str]) -> None:
    """Write the file."""
    path = Path(arguments[0]) if arguments else Path(__file__).resolve().parents[1] / "configs" / "huge.yaml"
    path.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
