"""What every adapter shares: the facts of a dataset, its options, samples, and the manifest made of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from fernas.core.config import Strict, validate_section
from fernas.core.errors import DataError
from fernas.core.images import natural_key
from fernas.core.io import canonical_json
from fernas.datasets._samples import Collected, Sample, plain_id, sample_id
from fernas.datasets._tree import Clip
from fernas.datasets.containers import base_folder, digest_of, file_of, read_ref

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Kind = Literal["stills", "sequences", "clips"]


@dataclass(frozen=True)
class DatasetSpec:
    """Facts about a dataset, as data.

    Attributes:
        name: the adapter's file name.
        title: what papers call it.
        kind: stills; sequences (neutral to apex, used by frames); clips (micro-expressions, used whole).
        classes: canonical classes in canonical order.
        licence: terms in a few words.
        citation: the paper.
        homepage: where the dataset is asked for.
        fps: frames per second, None for stills.
        subjects: published number of (labelled) subjects; None where there are none or no number is published.
        counts: class -> published number of samples.
        splits: official split -> published number.
        same_people_as: datasets that share subjects with this one; one of the two may say so for both.
        parts: datasets that a composite is made of.
        ships_crops: whether the images are aligned crops, which skip detection.
        notes: facts that could not be checked without the licensed files.
        labels: raw label (code or word) -> canonical class.
        layout: the files that the adapter reads, one line each.
        frame_rule: which frames carry the expression.
        protocol: what is usual in the field.
        tasks: name -> classes, label_map and frames of the class sets that papers use.
        more_classes: classes that only exist under other options than the default ones.
    """

    name: str
    title: str
    kind: Kind
    classes: tuple[str, ...]
    licence: str
    citation: str
    homepage: str
    fps: float | None = None
    subjects: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    splits: Mapping[str, int] = field(default_factory=dict)
    same_people_as: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()
    ships_crops: bool = False
    notes: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    layout: tuple[str, ...] = ()
    frame_rule: str = ""
    protocol: str = ""
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    more_classes: tuple[str, ...] = ()

    @property
    def labels_allowed(self) -> tuple[str, ...]:
        """All classes that a manifest of this dataset may hold, whatever the options."""
        return (*self.classes, *self.more_classes)


class Options(Strict):
    """Options that every adapter has."""

    own_crops: str | None = Field(
        None, description="csv or parquet of your own boxes or landmarks per sample or frame, instead of detection"
    )


class Adapter:
    """Turns one dataset's real layout into a manifest and reads its frames; subclasses write `collect`."""

    spec: DatasetSpec
    Config: type[Options] = Options

    def options(self, given: Mapping[str, Any] | Options | None) -> Any:
        """The checked options; a ConfigError names the wrong key."""
        if isinstance(given, Options):
            return given
        return validate_section(self.Config, dict(given or {}), f"datasets.{self.spec.name}.options")

    def collect(self, root: Path, options: Any) -> Collected:
        """Find all labelled samples below `root`."""
        raise NotImplementedError

    def build(self, root: Path | str, options: Mapping[str, Any] | Options | None = None) -> "pd.DataFrame":
        """The manifest of the dataset at `root`: one row per labelled sample, in natural order of the ids.

        Raises:
            DataError: the files at `root` as a whole cannot be read.
            ConfigError: an unknown option.
        """
        chosen = self.options(options)
        path = Path(root)
        if not path.exists():
            raise DataError(f"{path}: no such folder, expected the root of {self.spec.title}")
        collected = self.collect(path, chosen)
        if chosen.own_crops is not None:
            # imported here: _crops needs the readers of sheets, and few configs set the option
            from fernas.datasets._crops import apply_own_crops

            apply_own_crops(self.spec.name, collected, base_folder(path), chosen.own_crops)
        return to_manifest(self.spec, base_folder(path), collected)

    def options_at(self, root: Path, options: Mapping[str, Any] | None) -> dict[str, Any]:
        """The options for files at `root`; a subclass may add what it finds there by its published name."""
        return dict(options or {})

    def merge(self, parts: "dict[str, pd.DataFrame]", options: Any) -> "pd.DataFrame":
        """The manifest of a composite from those of its parts."""
        raise NotImplementedError

    def read_frame(self, root: Path | str, ref: str) -> "np.ndarray":
        """One frame by its reference as uint8 RGB (H, W, 3)."""
        return read_ref(root, ref)

    def own_landmarks(self, root: Path | str, row: Mapping[str, Any]) -> "np.ndarray | None":
        """Eye centres (image-left, image-right) and nose tip of the row's first used frame, (3, 2) px, or None."""
        import numpy as np

        points = attributes_of(row).get("landmarks")
        return np.asarray(points, np.float64).reshape(3, 2) if points else None


def attributes_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a manifest row as a dict."""
    import json

    text = row["attributes"]
    return json.loads(text) if isinstance(text, str) else {}


def eyes_and_nose(points: "np.ndarray") -> "np.ndarray":
    """Eye centres (image-left, image-right) and nose tip (3, 2) of 66 or 68 landmarks (n, 2) in the usual order."""
    import numpy as np

    # iBUG order: points 36 to 41 and 42 to 47 outline the eyes, 30 is the tip of the nose
    return np.stack([points[36:42].mean(axis=0), points[42:48].mean(axis=0), points[30]]).astype(np.float64)


def to_manifest(spec: DatasetSpec, root: Path, collected: Collected) -> "pd.DataFrame":
    """Samples -> manifest rows in natural order with ids and digests of the peak images.

    A sample whose images are absent, empty or broken becomes an excluded row with its reason. `attrs` of the table:
    problems, ships_crops, sources, and the expected (published) numbers.

    Raises:
        DataError: two samples have one id.
    """
    from fernas.datasets._rows import COLUMNS, Problems, typed

    seen: dict[str, Sample] = {}
    for sample in collected.samples:  # before any image is opened
        identity = sample_id(spec.name, sample)
        if identity in seen:
            one, two = ((s.frames or ["no frames"])[0] for s in (seen[identity], sample))
            raise DataError(f"{root}: two samples have the id {identity}: {one} and {two}")
        seen[identity] = sample
    rows = [_row(spec, root, sample, collected.fps or spec.fps) for sample in collected.samples]
    rows.sort(key=lambda row: natural_key(str(row["sample_id"])))
    table = typed(rows, COLUMNS)
    table.attrs = {
        "problems": Problems(dict.fromkeys(collected.problems)),
        "ships_crops": spec.ships_crops if collected.ships_crops is None else collected.ships_crops,
        "sources": list(collected.sources),
        "expected": {"subjects": spec.subjects, "classes": dict(spec.counts), "splits": dict(spec.splits)}
        | dict(collected.expected),
    }
    return table


def _row(spec: DatasetSpec, root: Path, sample: Sample, fps: float | None) -> dict[str, Any]:
    """One row of the manifest."""
    excluded = sample.excluded or _unusable(root, sample)
    peak = sample.frames[sample.apex or 0] if sample.frames and (sample.apex or 0) < len(sample.frames) else None
    # an excluded sample may name a file that is absent: there is nothing to digest then
    readable = peak is not None and (excluded is None or (root / file_of(peak)).is_file())
    return {
        "sample_id": sample_id(spec.name, sample),
        "dataset": spec.name,
        # the dataset's name comes first, since CASME and CASME II both have a subject sub01
        "subject": f"{spec.name}/{plain_id(sample.subject)}" if sample.subject else None,
        # a sample without a group of its own belongs to its sequence, which no split may cut
        "group": f"{spec.name}/{sample.group}" if sample.group else _sequence(spec.name, sample),
        "label": sample.label,
        "raw_label": sample.raw_label,
        "split": sample.split,
        "kind": sample.kind,
        "frames": sample.frames,
        "onset": sample.onset,
        "apex": sample.apex,
        "offset": sample.offset,
        "apex_source": sample.apex_source,
        "fps": fps,
        "sha256": digest_of(root, str(peak)) if readable else None,
        "box": sample.box,
        "attributes": canonical_json(sample.attributes) if sample.attributes else None,
        "excluded": excluded,
    }


def _sequence(dataset: str, sample: Sample) -> str:
    return "/".join([dataset, *(plain_id(part) for part in (sample.subject, sample.clip) if part)])


def _unusable(root: Path, sample: Sample) -> str | None:
    """Why a sample's images cannot be used, from the first and last bytes of each file; None where they can."""
    if not sample.frames:
        return "no images found"
    from fernas.datasets._images import why_broken

    for ref in sample.frames:
        reason = why_broken(root / ref) if file_of(ref) == ref else None  # containers were read by their adapters
        if reason is not None:
            return f"{ref}: {reason}"
    return None


# ---------------------------------------------------------------------------------------------------- annotated clips


def locate(
    clip: Clip, onset: int | None, apex: int | None, offset: int | None, missing_apex: str = "middle"
) -> tuple[dict[str, Any], list[str]]:
    """Frame numbers of an annotation -> positions in the clip's images, as keywords of `Sample`, and problems.

    Numbers are matched with the numbers in the file names. Onset after apex, apex after offset, or an annotated onset
    or apex without its image exclude the row; an offset past the last image is cut to it and reported.

    Args:
        clip: images and their numbers, ascending.
        onset: number of the first frame of the expression; None: the first image.
        apex: number of the apex; None: by `missing_apex`.
        offset: number of the last frame; None: the last image.
        missing_apex: `middle` of onset and offset, or `exclude`.
    """
    numbers = clip.numbers
    first, last = numbers[0], numbers[-1]
    span = f"{clip.refs[0].rsplit('/', 1)[-1]} to {clip.refs[-1].rsplit('/', 1)[-1]}"
    position = {number: index for index, number in enumerate(numbers)}
    problems: list[str] = []
    # by number, not by position: files may start at any number and have gaps
    start = first if onset is None else onset
    end = last if offset is None else offset
    fields: dict[str, Any] = {"onset": None, "apex": None, "offset": None, "apex_source": None, "excluded": None}
    for early, late, what in ((start, end, "onset {} after offset {}"), (start, apex, "onset {} after apex {}"),
                              (apex, end, "apex {} after offset {}")):  # fmt: skip
        if early is not None and late is not None and early > late:
            fields["excluded"] = what.format(early, late)
            return fields, problems
    if start not in position:
        fields["excluded"] = f"onset frame {start} has no image ({span})"
        return fields, problems
    # no neighbour takes the place of an apex without its image: the peak carries the label
    if apex is not None and apex not in position:
        fields["excluded"] = f"apex frame {apex} has no image ({span})"
        return fields, problems
    # an offset past the last image costs only the tail of the clip, so the row stays
    if end not in position:
        inside = [number for number in numbers if number <= end]
        problems.append(f"offset frame {end} has no image ({span}), cut to {inside[-1]}")
        end = inside[-1]
    if apex is None and missing_apex == "exclude":
        fields["excluded"] = "no apex annotated"
        return fields, problems
    fields["onset"], fields["offset"] = position[start], position[end]
    if apex is None:
        fields["apex"], fields["apex_source"] = (position[start] + position[end]) // 2, "middle"
    else:
        fields["apex"], fields["apex_source"] = position[apex], "annotated"
    # a gap shifts nothing, since positions follow the numbers, but the clip's timing is no longer even
    gaps = (last - first + 1) - len(numbers)
    if gaps:
        problems.append(f"{gaps} frames are missing between {span}")
    return fields, problems
