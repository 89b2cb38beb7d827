"""The audit of a copy: counts beside the published ones, unreadable images, equal and almost equal images."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from fernas.core.errors import DataError
from fernas.core.images import to_grey
from fernas.core.io import read_json
from fernas.core.progress import progress as show
from fernas.datasets._base import DatasetSpec
from fernas.datasets._duplicates import (
    THUMB,
    correlation_of,
    groups_of_equal,
    near_duplicates,
    perceptual_hash,
    thumbnail,
)
from fernas.datasets.frames import FrameReader

LISTED = 5
MAX_NEAR = 20_000
MAX_PROBLEMS = 200
KEPT_IMAGES = 64


class Limits(Protocol):
    """What counts as a near-duplicate."""

    hash_distance: int
    correlation: float


class DefaultLimits:
    """The limits of the design: hash distance 4, correlation 0.98."""

    hash_distance = 4
    correlation = 0.98


def audit_dataset(
    spec: DatasetSpec,
    manifest: pd.DataFrame,
    reader: FrameReader,
    truth: Mapping[str, Any] | None = None,
    config: Limits | None = None,
    progress: Callable[..., Iterable[Any]] = show,
) -> dict[str, Any]:
    """Check a copy through its manifest.

    Args:
        spec: facts about the dataset, with the published counts.
        manifest: its manifest.
        reader: of the frames of each dataset that the manifest names.
        truth: the renderer's sidecar of a rendered dataset: what must be found exactly.
        config: limits of near-duplicates.
        progress: shows how far the images are read.

    Returns:
        dataset, samples, subjects, classes, splits, per_subject (of usable samples), excluded (reason per id), problems
        (sentences), fatal (the copy cannot be used), unreadable, duplicates {exact, near, near_count}, expected, sizes.
    """
    limits = config or DefaultLimits()
    truth = truth or next((t for t in rendered_truths(reader.roots) if t["dataset"] == spec.name), None)
    is_rendered = truth is not None or bool(rendered_truths(reader.roots))
    usable = manifest[manifest["excluded"].isna()].reset_index(drop=True)
    problems: list[str] = [str(problem) for problem in manifest.attrs.get("problems", [])]
    looked = _look(usable, reader, progress)
    published = {"subjects": spec.subjects, "classes": spec.counts, "splits": spec.splits}
    published = {**published, **manifest.attrs.get("expected", {})}
    findings: dict[str, Any] = {
        "dataset": spec.name,
        "samples": len(usable),
        "subjects": int(usable["subject"].dropna().nunique()),
        "classes": _counted(usable["label"], spec.labels_allowed),
        "splits": _counted(usable["split"].dropna(), tuple(spec.splits)),
        "per_subject": _per_subject(usable, spec.labels_allowed),
        "excluded": {
            str(i): str(r) for i, r in manifest.loc[manifest["excluded"].notna(), ["sample_id", "excluded"]].values
        },
        "unreadable": looked.unreadable,
        "sizes": dict(looked.sizes.most_common(8)),
        "sources": [str(source) for source in manifest.attrs.get("sources", [])],
        "rendered": is_rendered,
        "expected": {
            "samples": (truth or {}).get("samples"),
            "subjects": truth["subjects"] if truth else None if is_rendered else published["subjects"],
            "classes": dict(truth["classes"] if truth else {} if is_rendered else published["classes"]),
            "splits": dict(truth["splits"] if truth else {} if is_rendered else published["splits"]),
        },
    }
    findings["duplicates"] = _duplicates(usable, looked, limits, reader)
    excluded, broken = findings["excluded"], len(looked.unreadable)
    if excluded:
        first, why = next(iter(excluded.items()))
        problems.append(f"{len(excluded)} samples are excluded, first {first}: {why}")
    problems += looked.unreadable[:LISTED]
    if broken > LISTED:
        problems.append(f"{broken - LISTED} more images cannot be read")
    problems += looked.uneven[:LISTED]
    problems += _count_problems(findings)
    problems += _duplicate_problems(findings["duplicates"], usable)
    fatal = _fatal(findings, len(manifest))
    if truth is not None:
        wrong = _against_truth(manifest, truth)
        problems += wrong
        fatal += wrong[:1]
    told = list(dict.fromkeys([*fatal, *problems]))
    more = [f"{len(told) - MAX_PROBLEMS} more problems"] if len(told) > MAX_PROBLEMS else []
    findings["problems"] = told[:MAX_PROBLEMS] + more
    findings["fatal"] = bool(fatal)
    return findings


def rendered_truths(roots: Mapping[str, Path]) -> list[dict[str, Any]]:
    """What the renderer says about those of some datasets that are rendered."""
    found = [rendered_truth(root, part) for part, root in roots.items()]
    return [truth for truth in found if truth is not None]


def rendered_truth(root: Path | str, dataset: str) -> dict[str, Any] | None:
    """What the renderer wrote beside a rendered dataset about it (`truth.json` or `<folder>.truth.json`), or None."""
    folder = Path(root)
    beside = [folder.with_name(folder.name + ".truth.json")]
    if folder.name == "dataset":
        beside.append(folder.with_name("truth.json"))
    for path in beside:
        if path.is_file():
            found = read_json(path)
            if isinstance(found, dict) and found.get("rendered") is True and found.get("dataset") == dataset:
                return found
    return None


def _counted(values: "pd.Series[Any]", order: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(str(value) for value in values)
    names = [name for name in order if name in counts] + sorted(name for name in counts if name not in order)
    return {name: counts[name] for name in names}


def _per_subject(usable: pd.DataFrame, order: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Subject -> class -> samples."""
    named = usable[usable["subject"].notna()]
    return {str(subject): _counted(rows["label"], order) for subject, rows in named.groupby("subject", sort=False)}


class _Looked:
    """What reading the key images gave; hashes and thumbnails are those of the peak images."""

    def __init__(self, count: int) -> None:
        self.hashes = np.zeros(count, np.uint64)
        self.thumbs = np.zeros((count, THUMB, THUMB), np.uint8)
        self.readable = np.zeros(count, bool)
        self.own_size = np.zeros(count, bool)
        self.sizes: Counter[str] = Counter()
        self.unreadable: list[str] = []
        self.uneven: list[str] = []


def _look(usable: pd.DataFrame, reader: FrameReader, progress: Callable[..., Iterable[Any]]) -> _Looked:
    """Decode the still, or onset, apex and offset of each clip."""
    looked = _Looked(len(usable))
    rows = usable.to_dict("records")
    for at, row in enumerate(progress(rows, total=len(rows), desc="reading images")):
        peak = 0 if row["kind"] == "still" else int(row["apex"])
        others = [] if row["kind"] == "still" else [int(row["onset"]), int(row["offset"])]
        shapes = set()
        for position in dict.fromkeys([peak, *others]):
            ref = row["frames"][position]
            try:
                image = reader.read(row["dataset"], ref)
            except DataError as error:
                looked.unreadable.append(f"{row['sample_id']}: {error}")
                continue
            shapes.add(image.shape)
            if position == peak:
                grey = to_grey(image)
                looked.hashes[at] = perceptual_hash(grey)
                looked.thumbs[at] = thumbnail(grey)
                looked.own_size[at] = grey.shape == (THUMB, THUMB)
                looked.readable[at] = True
                looked.sizes[f"{image.shape[1]}x{image.shape[0]}"] += 1
        if len(shapes) > 1:
            told = " and ".join(sorted(f"{width}x{height}" for height, width, _ in shapes))
            looked.uneven.append(f"{row['sample_id']}: images of one clip differ in size ({told})")
    return looked


def _duplicates(usable: pd.DataFrame, looked: _Looked, limits: Limits, reader: FrameReader) -> dict[str, Any]:
    """Exact copies as pairs with the first of each group; near-duplicates among images that are no exact copies."""
    ids = [str(identity) for identity in usable["sample_id"]]
    digests = [d if isinstance(d, str) else None for d in usable["sha256"]]
    groups = groups_of_equal(digests)
    exact = [[ids[group[0]], ids[other]] for group in groups for other in group[1:]]
    copies = {group[0]: group for group in groups}
    later = {other for group in groups for other in group[1:]}
    alone = np.array([at for at in range(len(ids)) if at not in later and looked.readable[at]], np.int64)
    subjects = pd.factorize(usable["subject"].where(usable["subject"].notna(), None))[0]
    sequences = pd.factorize(usable["group"])[0]

    def may_pair(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        a, b = alone[i], alone[j]
        same_person = (subjects[a] == subjects[b]) & (subjects[a] >= 0)
        return ~same_person & (sequences[a] != sequences[b])

    images: OrderedDict[int, np.ndarray] = OrderedDict()

    def source(at: int) -> np.ndarray:
        if at not in images:
            row = usable.iloc[at]
            peak = 0 if row["kind"] == "still" else int(row["apex"])
            images[at] = to_grey(reader.read(row["dataset"], row["frames"][peak]))
            if len(images) > KEPT_IMAGES:
                images.popitem(last=False)
        return images[at]

    def confirm(i: int, j: int) -> float:
        return correlation_of(source(int(alone[i])), source(int(alone[j])))

    all_small = bool(looked.own_size[alone].all()) if len(alone) else True
    found = near_duplicates(
        looked.hashes[alone],
        looked.thumbs[alone],
        may_pair,
        None if all_small else confirm,
        limits.hash_distance,
        limits.correlation,
    )
    near: list[list[Any]] = []
    for i, j, bits, value in found:
        left, right = int(alone[i]), int(alone[j])
        near += [[ids[a], ids[b], bits, value] for a in copies.get(left, [left]) for b in copies.get(right, [right])]
    return {"exact": exact, "near": near[:MAX_NEAR], "near_count": len(near)}


def _count_problems(findings: Mapping[str, Any]) -> list[str]:
    if findings["rendered"]:
        return []
    problems = []
    expected = findings["expected"]
    for what, told in (("classes", "samples of class"), ("splits", "samples of split")):
        for name, number in expected[what].items():
            found = findings[what].get(name, 0)
            if found != number:
                problems.append(f"{found} {told} {name}, {number} are published")
    if expected["subjects"] is not None and findings["subjects"] != expected["subjects"]:
        problems.append(f"{findings['subjects']} subjects, {expected['subjects']} are published")
    return problems


def _duplicate_problems(duplicates: Mapping[str, Any], usable: pd.DataFrame) -> list[str]:
    split = dict(zip(usable["sample_id"], usable["split"], strict=True))
    subject = dict(zip(usable["sample_id"], usable["subject"], strict=True))
    problems = []
    for kind, name in (("exact", "equal"), ("near", "almost equal")):
        pairs = duplicates[kind]
        if not pairs:
            continue
        across = sum(split[p[0]] != split[p[1]] for p in pairs)
        people = sum(subject[p[0]] != subject[p[1]] for p in pairs)
        count = duplicates["near_count"] if kind == "near" else len(pairs)
        more = f", {across} across official splits" if usable["split"].notna().any() else ""
        more += f", {people} of different subjects" if usable["subject"].notna().any() and people else ""
        problems.append(f"{count} pairs of {name} images{more}, first {pairs[0][0]} and {pairs[0][1]}")
    return problems


def _fatal(findings: Mapping[str, Any], rows: int) -> list[str]:
    """Why a copy cannot be used at all."""
    lost = rows - findings["samples"] + len({line.split(":")[0] for line in findings["unreadable"]})
    if not findings["samples"]:
        return [f"none of {rows} samples can be used"]
    if lost > rows / 2:
        return [f"{lost} of {rows} samples cannot be used, more than half"]
    if len(findings["classes"]) < 2:
        return [f"only samples of class {', '.join(findings['classes'])}, expected at least two classes"]
    return []


def _against_truth(manifest: pd.DataFrame, truth: Mapping[str, Any]) -> list[str]:
    """Differences between a manifest and what the renderer says that it wrote."""
    rows = {str(row["sample_id"]): row for row in manifest.to_dict("records")}
    told = {str(clip["sample_id"]): clip for clip in truth["clips"]}
    problems = [f"{identity}: rendered, but not in the manifest" for identity in told if identity not in rows]
    problems += [f"{identity}: in the manifest, but not rendered" for identity in rows if identity not in told]
    for identity in told.keys() & rows.keys():
        clip, row = told[identity], rows[identity]
        pairs: list[tuple[str, Any, Any]] = [("label", clip["label"], row["label"])]
        pairs += [(key, clip[key], row[key]) for key in ("subject", "split") if key in clip]
        if isinstance(row["excluded"], str):
            pairs.append(("excluded", None, row["excluded"]))
        elif row["kind"] == "clip":
            keys = ["onset", "offset"] if clip.get("apex_annotated") is False else ["onset", "apex", "offset"]
            pairs += [(key, clip[key], int(row[key])) for key in keys if key in clip]
        pairs += [("frames", clip["frames"], len(row["frames"]))] if isinstance(clip.get("frames"), int) else []
        problems += [
            f"{identity}: {key} is {found!r}, {right!r} was rendered" for key, right, found in pairs if right != found
        ]
    count = len(problems)
    return sorted(problems)[:LISTED] + (
        [f"{count - LISTED} more differences from what was rendered"] if count > LISTED else []
    )
