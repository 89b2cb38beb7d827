"""A results tree made up after the data contracts: random predictions, curves and costs, no stage run."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.config import StudyConfig
from fernas.core.images import write_image
from fernas.core.io import append_jsonl, write_json, write_npy, write_parquet, write_text
from fernas.scoring.scores import score_predictions

EMOTIONS = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral"]
MICRO = ["negative", "positive", "surprise"]
OPERATIONS = [
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
]
QUALITY = {"emonas": 0.62, "random": 0.55, "random_mean": 0.5, "small_cnn": 0.45}


def study_document() -> dict[str, Any]:
    """A study of two rendered tasks and one real one without its dataset."""
    method = {"search": "darts_first", "space": "emonas", "recipe": "plain"}
    return {
        "datasets": {"ckplus": {}, "casme2": {}, "smic": {}, "samm": {}, "megc2019": {}, "fer2013": {"source": "real"}},
        "views": {"still": {"kind": "still"}, "dyn": {"kind": "dynamic"}},
        "tasks": {
            "ckplus-7n": {"dataset": "ckplus", "classes": EMOTIONS, "view": "still"},
            "megc2019-3": {"dataset": "megc2019", "classes": MICRO, "view": "dyn"},
            "fer2013-7": {"dataset": "fer2013", "classes": EMOTIONS, "view": "still"},
        },
        "protocols": {"kfold4": {"kind": "subject_kfold"}, "megc": {"kind": "megc2019"}},
        "methods": {
            "emonas": method | {"train_seeds": 2},
            "random": method | {"search": "random"},
            "random_mean": method | {"search": "random_mean"},
            "small_cnn": {"search": "fixed"},
            "vgg16": {"search": "fixed"},
            "darts": method | {"space": "darts"},
        },
        "study": [
            {
                "task": "ckplus-7n",
                "protocol": "kfold4",
                "methods": ["emonas", "random", "random_mean", "small_cnn", "vgg16"],
            },
            {"task": "megc2019-3", "protocol": "megc", "methods": ["emonas", "random", "small_cnn"]},
            {"task": "fer2013-7", "protocol": "kfold4", "methods": ["emonas"]},
        ],
    }


def study() -> StudyConfig:
    """The study as a config model (its plug-ins are not looked up)."""
    return StudyConfig.model_validate(study_document())


def predictions(rng: np.random.Generator, classes: list[str], subjects: list[str], quality: float) -> pd.DataFrame:
    """Random predictions that are right with about the given probability."""
    labels = np.tile(np.arange(len(classes)), 2 * len(subjects))
    who = np.repeat(subjects, 2 * len(classes))
    logits = rng.normal(size=(len(labels), len(classes)))
    hit = rng.random(len(labels)) < quality
    logits[np.arange(len(labels)), labels] += np.where(hit, 6.0, -2.0)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    frame = pd.DataFrame(
        {
            "sample_id": [f"{s}/clip{i}" for i, s in enumerate(who)],
            "subject": who,
            "dataset": [s.split("/")[0] for s in who],
            "fold": [subjects.index(s) % 4 for s in who],
            "label": [classes[i] for i in labels],
            "face_status": ["no_face" if i % 29 == 7 else "ok" for i in range(len(labels))],
        }
    )
    for index, name in enumerate(classes):
        frame[f"p_{name}"] = p[:, index]
    return frame


def genotype(rng: np.random.Generator, classes: int) -> dict[str, Any]:
    """A random cell architecture."""

    def cell() -> list[list[Any]]:
        rows = []
        for node in range(4):
            for source in rng.choice(node + 2, 2, replace=False):
                rows.append([OPERATIONS[int(rng.integers(7))], int(source)])
        return rows

    network = {"cells": 4, "channels": 8, "stem": "plain", "aux": False, "classes": classes, "input": [3, 48, 48]}
    return {
        "kind": "cells", "space": "emonas", "normal": cell(), "normal_concat": [2, 3, 4, 5],
        "reduce": cell(), "reduce_concat": [2, 3, 4, 5], "network": network,
    }  # fmt: skip


def status(folder: Path, state: str = "ok", reason: str = "", heartbeat: float | None = None, key: str = "k0") -> None:
    """A status.json as jobs write it."""
    now = time.time()
    write_json(
        folder / "status.json",
        {
            "status": state, "reason": reason, "pid": 4194304, "host": "made-up", "run_key": f"{key}{folder.name}",
            "started": now - 60, "ended": None if state == "running" else now,
            "heartbeat": now if heartbeat is None else heartbeat, "seed": 1, "versions": {"torch": "2.13.0"},
        },
    )  # fmt: skip


def search_files(folder: Path, rng: np.random.Generator, classes: int, epochs: int = 8) -> None:
    """One finished search."""
    for epoch in range(epochs):
        row = {
            "epoch": epoch, "weight_loss": 2 * 0.9**epoch, "alpha_loss": 2.1 * 0.92**epoch,
            "inner_uar": 0.2 + 0.05 * epoch, "entropy_normal": 1.94 - 0.03 * epoch,
            "entropy_reduce": 1.94 - 0.02 * epoch,
            "skips_normal": int(rng.integers(3)), "skips_reduce": int(rng.integers(3)),
        }  # fmt: skip
        append_jsonl(folder / "search.jsonl", row)
        append_jsonl(
            folder / "metrics.jsonl",
            {"step": epoch, "time": 1.0 + epoch, **{k: v for k, v in row.items() if k != "epoch"}},
        )
    write_json(folder / "architecture.json", genotype(rng, classes))
    write_text(
        folder / "cell.svg",
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 160" width="400" height="160">'
        '<rect x="10" y="60" width="60" height="30" fill="#fff" stroke="#333"/>'
        '<text x="20" y="80">c_{k-2}</text></svg>',
    )
    write_json(folder / "cost.json", {"wall_s": 20.0, "core_s": 19.0, "peak_rss_mib": 500.0, "macs": 3e12})
    status(folder)


def training_files(folder: Path, results: Path, frame: pd.DataFrame, classes: list[str], shards: int = 2) -> None:
    """One finished and scored training."""
    for shard in range(shards):
        steps = [(fold, epoch) for fold in range(shard, 4, shards) for epoch in range(6)]
        for step, (fold, epoch) in enumerate(steps):
            row = {"loss": 1.9 * 0.85**epoch, "inner_uar": 0.2 + 0.06 * epoch}
            append_jsonl(folder / f"shard{shard}" / "training.jsonl", {"fold": fold, "epoch": epoch, **row})
            more = {"step": step, "time": 1.0 + step, "fold": float(fold), "epoch": float(epoch)}
            append_jsonl(folder / f"shard{shard}" / "metrics.jsonl", more | row)
        write_json(
            folder / f"shard{shard}" / "cost.json", {"wall_s": 9.0, "core_s": 8.5, "peak_rss_mib": 430.0, "macs": 1e12}
        )
        status(folder / f"shard{shard}")
    write_parquet(folder / "predictions.parquet", frame)
    write_json(folder / "scores.json", score_predictions(frame, classes, resamples=200))
    status(folder)


def fabricate(results: Path, seed: int = 0) -> StudyConfig:
    """Write a whole results tree for `study()` and return that config."""
    rng = np.random.default_rng(seed)
    config = study()
    blocks = {
        "ckplus-7n": ("kfold4", EMOTIONS, [f"ckplus/S{i:03d}" for i in range(8)]),
        "megc2019-3": ("megc", MICRO, [f"{d}/{i:02d}" for d in ("casme2", "smic", "samm") for i in range(4)]),
    }
    for task, (protocol, classes, subjects) in blocks.items():
        _task_files(results, rng, task, protocol, classes, subjects)
        for method in next(entry for entry in config.study if entry.task == task).methods:
            scope = "per_group" if method in ("emonas", "random") else "no_data"
            base = results / "runs" / f"{task}-rendered" / protocol / method / scope / "s0"
            if method == "vgg16":
                status(base / "g0")
                status(base / "t0" / "shard0", "failed", "out of memory after the fallback to batch 1")
                continue
            for group in range(2 if scope == "per_group" else 1):
                search_files(base / f"g{group}", rng, len(classes), 8 if scope == "per_group" else 1)
            for train_seed in range(config.methods[method].train_seeds):
                frame = predictions(rng, classes, subjects, QUALITY[method])
                training_files(base / f"t{train_seed}", results, frame, classes)
    return config


def _task_files(
    results: Path, rng: np.random.Generator, task: str, protocol: str, classes: list[str], subjects: list[str]
) -> None:
    config = study()
    dataset, view = config.tasks[task].dataset, config.tasks[task].view
    frame = predictions(rng, classes, subjects, 0.5)
    folder = results / "tasks" / f"{task}-rendered"
    size = len(frame)
    images = rng.integers(0, 255, (size, 12, 12, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    write_npy(folder / view / "inputs.npy", images)
    table = frame[["sample_id", "subject", "dataset", "label", "face_status"]].assign(
        row=np.arange(size), source_id=frame["sample_id"], class_index=[classes.index(x) for x in frame["label"]],
        nose_x=24.0, nose_y=28.0, excluded=None,
    )  # fmt: skip
    write_parquet(folder / view / "inputs.parquet", table)
    folds = [
        {"fold": k, "name": f"fold{k}", "group": k % 2, "weights": [], "selection": [], "inner_validation": []}
        for k in range(4)
    ]
    of = dict(zip(frame["sample_id"], frame["subject"], strict=True))
    write_json(
        folder / protocol / "folds.train.json",
        {"protocol": protocol, "kind": protocol, "classes": classes, "folds": folds, "table": of},
    )
    write_json(
        folder / protocol / "audit.json", {"ok": True, "problems": [], "leaks": [], "dropped": ["ckplus/S001/clip3"]}
    )
    data = results / "data" / f"{dataset}-rendered"
    write_json(
        data / "audit.json",
        {
            "dataset": dataset, "samples": size, "subjects": len(subjects), "problems": [], "fatal": False,
            "classes": {c: size // len(classes) for c in classes}, "unreadable": [],
            "duplicates": {"exact": [], "near": []},
        },
    )  # fmt: skip
    write_text(
        data / "card.md",
        f"# {dataset}\n\nLicence: Apache-2.0 (rendered)\n\n| class | clips |\n|---|---|\n| anger | 3 |\n",
    )
    faces = pd.DataFrame(
        {"sample_id": frame["sample_id"], "status": frame["face_status"], "detector": "dlib", "landmarker": "dlib5"}
    )
    write_parquet(data / "faces.parquet", faces)
    write_npy(data / "previews.npy", rng.integers(0, 255, (size, 64, 64, 3), dtype=np.uint8))
    write_image(data / "face.png", images[0])
