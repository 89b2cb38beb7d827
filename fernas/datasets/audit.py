"""The audit of a dataset: counts beside the published ones, unreadable images, duplicates and near-duplicates."""

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from fernas.core.config import AuditConfig
from fernas.core.errors import DataError
from fernas.core.images import to_grey
from fernas.core.io import read_json
from fernas.core.progress import progress as show
from fernas.datasets._base import DatasetSpec
from fernas.datasets._duplicates import (
    THUMB,
    correlation_of,
    duplicate_sets,
    image_digest,
    near_duplicates,
    perceptual_hash,
    thumbnail,
)
from fernas.datasets._image_statistics import compare_groups, difference_texts, drawn_images, image_statistics
from fernas.datasets._rows import Problems
from fernas.datasets.frames import FrameReader

LISTED = 5
# bounds the size of the audit; near_count counts all of them
MAX_NEAR = 20_000
MAX_PROBLEMS = 200
CACHED_IMAGES = 64


def audit_dataset(
    spec: DatasetSpec,
    manifest: pd.DataFrame,
    reader: FrameReader,
    truth: Mapping[str, Any] | None = None,
    config: AuditConfig | None = None,
    progress: Callable[..., Iterable[Any]] = show,
) -> dict[str, Any]:
    """Check the files of a dataset through its manifest.

    Args:
        spec: facts about the dataset, with the published counts.
        manifest: its manifest.
        reader: of the frames of each dataset that the manifest names.
        truth: the renderer's sidecar of a rendered dataset: what must be found exactly.
        config: limits of near-duplicates.
        progress: shows how far the images are read.

    Returns:
        dataset, samples, subjects, classes, splits, per_subject (of usable samples), excluded (reason per id), problems
        (sentences), fatal (the dataset cannot be used), not_as_published (sentences), unreadable, duplicates (see
        `_duplicates`), image_statistics (see `compare_groups`), expected, sizes, sources, rendered.
    """
    limits = config or AuditConfig()
    attributes = {**manifest.attrs, "problems": Problems(manifest.attrs.get("problems", []))}
    manifest = pd.DataFrame(manifest)
    manifest.attrs = attributes
    truth = truth or next((t for t in rendered_truths(reader.roots) if t["dataset"] == spec.name), None)
    # a composite has no sidecar of its own, but is rendered as soon as one of its parts is
    is_rendered = truth is not None or bool(rendered_truths(reader.roots))
    usable = manifest[manifest["excluded"].isna()].reset_index(drop=True)
    excluded = manifest.loc[manifest["excluded"].notna(), ["sample_id", "excluded"]]
    images = _look(usable, reader, progress)
    findings: dict[str, Any] = {
        "dataset": spec.name,
        "samples": len(usable),
        "subjects": int(usable["subject"].dropna().nunique()),
        "classes": _counted(usable["label"], spec.labels_allowed),
        "splits": _counted(usable["split"].dropna(), tuple(spec.splits)),
        "per_subject": _per_subject(usable, spec.labels_allowed),
        "excluded": {str(name): str(reason) for name, reason in excluded.values},
        "unreadable": images.unreadable,
        "sizes": dict(images.sizes.most_common(8)),
        "sources": [str(source) for source in manifest.attrs.get("sources", [])],
        "rendered": is_rendered,
        "expected": _expected(spec, manifest, truth, is_rendered),
        "duplicates": _duplicates(usable, images, limits, reader),
        "image_statistics": compare_groups(usable, images.statistics),
    }
    counts = _count_problems(findings, manifest)
    findings["not_as_published"] = [text for text, explained in counts.items() if not explained]
    problems = [
        *(str(problem) for problem in manifest.attrs.get("problems", [])),
        *_image_problems(findings["excluded"], images),
        *counts,
        *difference_texts(findings["image_statistics"]["differences"], usable["dataset"].nunique() > 1),
        *_duplicate_problems(findings["duplicates"], usable),
    ]
    differences = [] if truth is None else _against_truth(manifest, truth)
    fatal = [*_fatal(findings, len(manifest)), *differences[:1]]
    return findings | {"problems": _listed([*fatal, *problems, *differences]), "fatal": bool(fatal)}


def _listed(problems: Sequence[str]) -> list[str]:
    """Each problem once, the first `MAX_PROBLEMS` of them and the number of the others."""
    unique = list(dict.fromkeys(problems))
    more = [f"{len(unique) - MAX_PROBLEMS} more problems"] if len(unique) > MAX_PROBLEMS else []
    return unique[:MAX_PROBLEMS] + more


def _expected(
    spec: DatasetSpec, manifest: pd.DataFrame, truth: Mapping[str, Any] | None, is_rendered: bool
) -> dict[str, Any]:
    """What should be found: what was rendered, or the published numbers (which say nothing of rendered faces)."""
    if truth is not None:
        counts = {key: dict(truth[key]) for key in ("classes", "splits")}
        return {"samples": truth.get("samples"), "subjects": truth["subjects"], **counts}
    if is_rendered:
        return {"samples": None, "subjects": None, "classes": {}, "splits": {}}
    published: dict[str, Any] = {"subjects": spec.subjects, "classes": spec.counts, "splits": spec.splits}
    published = {**published, **manifest.attrs.get("expected", {})}
    counts = {key: dict(published[key]) for key in ("classes", "splits")}
    return {"samples": None, "subjects": published["subjects"], **counts}


def _image_problems(excluded: Mapping[str, str], images: "_KeyImages") -> list[str]:
    """Excluded samples, unreadable images, and clips whose images differ in size."""
    problems = []
    if excluded:
        first, why = next(iter(excluded.items()))
        problems.append(f"{len(excluded)} samples are excluded, first {first}: {why}")
    problems += images.unreadable[:LISTED]
    if len(images.unreadable) > LISTED:
        problems.append(f"{len(images.unreadable) - LISTED} more images cannot be read")
    return problems + images.uneven[:LISTED]


def rendered_truths(roots: Mapping[str, Path]) -> list[dict[str, Any]]:
    """The renderer's sidecars of those datasets that are rendered."""
    truths = [rendered_truth(root, part) for part, root in roots.items()]
    return [truth for truth in truths if truth is not None]


def rendered_truth(root: Path | str, dataset: str) -> dict[str, Any] | None:
    """The renderer's sidecar beside a rendered dataset (`truth.json` or `<folder>.truth.json`), or None."""
    folder = Path(root)
    beside = [folder.with_name(folder.name + ".truth.json")]
    if folder.name == "dataset":
        beside.append(folder.with_name("truth.json"))
    for path in beside:
        if path.is_file():
            truth = read_json(path)
            if isinstance(truth, dict) and truth.get("rendered") is True and truth.get("dataset") == dataset:
                return truth
    return None


def _counted(values: "pd.Series[Any]", order: tuple[str, ...]) -> dict[str, int]:
    counts = Counter(str(value) for value in values)
    names = [name for name in order if name in counts] + sorted(name for name in counts if name not in order)
    return {name: counts[name] for name in names}


def _per_subject(usable: pd.DataFrame, order: tuple[str, ...]) -> dict[str, dict[str, int]]:
    """Subject -> class -> samples."""
    named = usable[usable["subject"].notna()]
    return {str(subject): _counted(rows["label"], order) for subject, rows in named.groupby("subject", sort=False)}


class _KeyImages:
    """What reading the key images of N samples gave; hashes and thumbnails are those of the peak images.

    Attributes:
        digests: of the decoded peak images; None where unreadable.
        frame_digests: of the onset, apex and offset of each clip that are no flat image (black frames are no copies).
        hashes: uint64 (N,) perceptual hashes.
        thumbs: uint8 (N, THUMB, THUMB) grey thumbnails.
        readable: bool (N,).
        own_size: bool (N,), whether the thumbnail is the image itself.
        statistics: position of a drawn sample -> what is compared of its peak image.
        sizes: width x height -> number of images.
        unreadable, uneven: sentences.
    """

    def __init__(self, count: int) -> None:
        self.digests: list[bytes | None] = [None] * count
        self.frame_digests: list[list[bytes]] = [[] for _ in range(count)]
        self.hashes = np.zeros(count, np.uint64)
        self.thumbs = np.zeros((count, THUMB, THUMB), np.uint8)
        self.readable = np.zeros(count, bool)
        self.own_size = np.zeros(count, bool)
        self.statistics: dict[int, dict[str, Any]] = {}
        self.sizes: Counter[str] = Counter()
        self.unreadable: list[str] = []
        self.uneven: list[str] = []


def _look(usable: pd.DataFrame, reader: FrameReader, progress: Callable[..., Iterable[Any]]) -> _KeyImages:
    """Decode the still, or onset, apex and offset of each clip."""
    images = _KeyImages(len(usable))
    rows, drawn = usable.to_dict("records"), drawn_images(usable)
    for at, row in enumerate(progress(rows, total=len(rows), desc="reading images")):
        peak = 0 if row["kind"] == "still" else int(row["apex"])
        others = [] if row["kind"] == "still" else [int(row["onset"]), int(row["offset"])]
        shapes = set()
        # onset, apex and offset may be one image, which is decoded once
        for position in dict.fromkeys([peak, *others]):
            ref = row["frames"][position]
            try:
                image = reader.read(row["dataset"], ref)
            except DataError as error:
                images.unreadable.append(f"{row['sample_id']}: {error}")
                continue
            shapes.add(image.shape)
            digest = image_digest(image)
            if others and image.min() < image.max():
                images.frame_digests[at].append(digest)
            if position == peak:
                images.digests[at] = digest
                grey = to_grey(image)
                images.hashes[at] = perceptual_hash(grey)
                images.thumbs[at] = thumbnail(grey)
                images.own_size[at] = grey.shape == (THUMB, THUMB)
                images.readable[at] = True
                if at in drawn:
                    images.statistics[at] = image_statistics(grey, reader.bytes_of(row["dataset"], ref))
                images.sizes[f"{image.shape[1]}x{image.shape[0]}"] += 1
        if len(shapes) > 1:
            sizes = " and ".join(sorted(f"{width}x{height}" for height, width, _ in shapes))
            images.uneven.append(f"{row['sample_id']}: images of one clip differ in size ({sizes})")
    return images


def _duplicates(usable: pd.DataFrame, images: _KeyImages, limits: AuditConfig, reader: FrameReader) -> dict[str, Any]:
    """Samples that show the same image; near-duplicates are looked for among images that are not equal to others.

    Returns:
        exact: [[id, id]] of equal decoded peak images, each with the first of its set, and of clips of different people
        of which a frame among onset, apex and offset is equal; near: [[id, id, distance, correlation]] and near_count;
        other_labels: [[id, id, label, label]] of equal peak images, and near_other_labels, a number.
    """
    ids = [str(identity) for identity in usable["sample_id"]]
    labels = [str(label) for label in usable["label"]]
    sets = duplicate_sets(images.digests)
    equal = [(members[0], other) for members in sets for other in members[1:]]
    exact = [[ids[i], ids[j]] for i, j in dict.fromkeys([*equal, *_shared_frames(usable, images)])]
    set_of = {members[0]: members for members in sets}
    later = {other for members in sets for other in members[1:]}
    # one image per duplicate set is compared; its near-duplicates hold for the whole set
    alone = np.array([at for at in range(len(ids)) if at not in later and images.readable[at]], np.int64)
    subjects = pd.factorize(usable["subject"].where(usable["subject"].notna(), None))[0]
    sequences = pd.factorize(usable["group"])[0]

    def may_pair(i: np.ndarray, j: np.ndarray) -> np.ndarray:
        # one subject or one sequence belongs together anyway: the audit of the folds checks both by name
        a, b = alone[i], alone[j]
        same_person = (subjects[a] == subjects[b]) & (subjects[a] >= 0)
        return ~same_person & (sequences[a] != sequences[b])

    # pairs come sorted by their first image, so a small cache saves most reads
    cache: OrderedDict[int, np.ndarray] = OrderedDict()

    def source(at: int) -> np.ndarray:
        if at not in cache:
            row = usable.iloc[at]
            peak = 0 if row["kind"] == "still" else int(row["apex"])
            cache[at] = to_grey(reader.read(row["dataset"], row["frames"][peak]))
            if len(cache) > CACHED_IMAGES:
                cache.popitem(last=False)
        return cache[at]

    def confirm(i: int, j: int) -> float:
        return correlation_of(source(int(alone[i])), source(int(alone[j])))

    # images of 48x48 are their own thumbnails, a second look would give the same number
    all_small = bool(images.own_size[alone].all()) if len(alone) else True
    confirmed = None if all_small else confirm
    hashes, thumbs = images.hashes[alone], images.thumbs[alone]
    pairs = near_duplicates(hashes, thumbs, may_pair, confirmed, limits.hash_distance, limits.correlation)
    near: list[list[Any]] = []
    near_other_labels = 0
    for i, j, bits, value in pairs:
        left, right = int(alone[i]), int(alone[j])
        members = [(a, b) for a in set_of.get(left, [left]) for b in set_of.get(right, [right])]
        near += [[ids[a], ids[b], bits, value] for a, b in members]
        near_other_labels += sum(labels[a] != labels[b] for a, b in members)
    return {
        "exact": exact,
        "near": near[:MAX_NEAR],
        "near_count": len(near),
        "other_labels": [[ids[i], ids[j], labels[i], labels[j]] for i, j in equal if labels[i] != labels[j]],
        "near_other_labels": near_other_labels,
    }


def _shared_frames(usable: pd.DataFrame, images: _KeyImages) -> list[tuple[int, int]]:
    """Pairs of clips of different people with an equal frame: a copy may be annotated otherwise than its original."""
    # clips of one person may be cut from one recording and share a frame; without subjects the sequence stands for it
    person = usable["subject"].where(usable["subject"].notna(), usable["group"]).tolist()
    first: dict[bytes, int] = {}
    pairs = []
    for at, digests in enumerate(images.frame_digests):
        owners = [first.setdefault(digest, at) for digest in digests]
        pairs += [(owner, at) for owner in owners if person[owner] != person[at]]
    return pairs


def _count_problems(findings: Mapping[str, Any], manifest: pd.DataFrame) -> dict[str, bool]:
    """Sentence about a count that is not the published one -> whether samples that had to be excluded explain it."""
    if findings["rendered"]:
        return {}
    problems = {}
    expected = findings["expected"]
    for key, column, words in (("classes", "label", "samples of class"), ("splits", "split", "samples of split")):
        every = manifest[column].value_counts()
        for name, number in expected[key].items():
            count = findings[key].get(name, 0)
            if count != number:
                text = f"{count} {words} {name}, {number} are published"
                problems[text] = count < number <= int(every.get(name, 0))
    count, number = findings["subjects"], expected["subjects"]
    if number is not None and count != number:
        # a form of the dataset that names no subjects (an HDF5 of pixels) still has the published samples
        every_subject = manifest["subject"].nunique()
        problems[f"{count} subjects, {number} are published"] = not count or count < number <= every_subject
    return problems


def why_refused(findings: Mapping[str, Any], rules: AuditConfig) -> str | None:
    """Why a run must not go on with a dataset: it cannot be used, or the config forbids what the audit found."""
    if findings["fatal"]:
        return "the dataset cannot be used: " + "; ".join(findings["problems"][:LISTED])
    excluded, counts = findings["excluded"], findings["not_as_published"]
    if rules.excluded == "fail" and excluded:
        named = "; ".join(f"{name}: {why}" for name, why in list(excluded.items())[:LISTED])
        return f"{len(excluded)} samples cannot be used: {named}"
    if rules.counts == "fail" and counts:
        more = f"; {len(counts) - LISTED} more" if len(counts) > LISTED else ""
        return (
            f"not as published: {'; '.join(counts[:LISTED])}{more}. Expected the published counts; to go on with a "
            f"part of the dataset or another edition, set audit: {{counts: report}} in the config"
        )
    return None


def _duplicate_problems(duplicates: Mapping[str, Any], usable: pd.DataFrame) -> list[str]:
    split = dict(zip(usable["sample_id"], usable["split"], strict=True))
    subject = dict(zip(usable["sample_id"], usable["subject"], strict=True))
    problems = []
    for kind, name in (("exact", "equal"), ("near", "almost equal")):
        pairs = duplicates[kind]
        if not pairs:
            continue
        across = sum(split[p[0]] != split[p[1]] for p in pairs)
        crossing = sum(subject[p[0]] != subject[p[1]] for p in pairs)
        count = duplicates["near_count"] if kind == "near" else len(pairs)
        more = f", {across} across official splits" if usable["split"].notna().any() else ""
        more += f", {crossing} of different subjects" if usable["subject"].notna().any() and crossing else ""
        problems.append(f"{count} pairs of {name} images{more}, first {pairs[0][0]} and {pairs[0][1]}")
    if other := duplicates["other_labels"]:
        one, two, label, second = other[0]
        first = f"first {one} ({label}) and {two} ({second})"
        problems.append(f"{len(other)} pairs of equal images with different labels, {first}")
    if duplicates["near_other_labels"]:
        problems.append(f"{duplicates['near_other_labels']} pairs of almost equal images with different labels")
    return problems


def _fatal(findings: Mapping[str, Any], rows: int) -> list[str]:
    """Why a dataset cannot be used at all."""
    # one unreadable image costs its sample; ids are what precedes the first colon of each sentence
    lost = rows - findings["samples"] + len({line.split(":")[0] for line in findings["unreadable"]})
    if not findings["samples"]:
        return [f"none of {rows} samples can be used"]
    if lost > rows / 2:
        return [f"{lost} of {rows} samples cannot be used, more than half"]
    if len(findings["classes"]) < 2:
        return [f"only samples of class {', '.join(findings['classes'])}, expected at least two classes"]
    return []


def _against_truth(manifest: pd.DataFrame, truth: Mapping[str, Any]) -> list[str]:
    """Differences between a manifest and the renderer's sidecar."""
    rows = {str(row["sample_id"]): row for row in manifest.to_dict("records")}
    clips = {str(clip["sample_id"]): clip for clip in truth["clips"]}
    problems = [f"{identity}: rendered, but not in the manifest" for identity in clips if identity not in rows]
    problems += [f"{identity}: in the manifest, but not rendered" for identity in rows if identity not in clips]
    for identity in clips.keys() & rows.keys():
        clip, row = clips[identity], rows[identity]
        pairs: list[tuple[str, Any, Any]] = [("label", clip["label"], row["label"])]
        pairs += [(key, clip[key], row[key]) for key in ("subject", "split") if key in clip]
        if isinstance(row["excluded"], str):
            pairs.append(("excluded", None, row["excluded"]))
        elif row["kind"] == "clip":
            # without an annotated apex the adapter takes the middle frame, the renderer knows the true one
            keys = ["onset", "offset"] if clip.get("apex_annotated") is False else ["onset", "apex", "offset"]
            pairs += [(key, clip[key], int(row[key])) for key in keys if key in clip]
        pairs += [("frames", clip["frames"], len(row["frames"]))] if isinstance(clip.get("frames"), int) else []
        problems += [
            f"{identity}: {key} is {value!r}, {right!r} was rendered" for key, right, value in pairs if right != value
        ]
    count = len(problems)
    return sorted(problems)[:LISTED] + (
        [f"{count - LISTED} more differences from what was rendered"] if count > LISTED else []
    )
