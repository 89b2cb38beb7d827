"""What adapters collect before it becomes a manifest: samples, and how their ids are made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Sample:
    """One row of the manifest before it has ids and digests; positions count from 0 in `frames`."""

    clip: str
    frames: list[str]
    label: str | None
    raw_label: str
    subject: str | None = None
    frame: str | None = None
    group: str | None = None
    split: str | None = None
    kind: Literal["still", "clip"] = "still"
    onset: int | None = None
    apex: int | None = None
    offset: int | None = None
    apex_source: str | None = None
    box: list[float] | None = None
    attributes: dict[str, Any] = field(default_factory=dict)
    excluded: str | None = None


@dataclass
class Collected:
    """What an adapter collects below a root.

    Attributes:
        samples: rows of the manifest.
        problems: sentences about what is odd in the files.
        ships_crops: whether the images are aligned crops, where options decide it.
        fps: frames per second, where options decide it.
        expected: published numbers (subjects, classes, splits) that replace those of the spec.
        sources: which files were read, and how.
    """

    samples: list[Sample]
    problems: list[str] = field(default_factory=list)
    ships_crops: bool | None = None
    fps: float | None = None
    expected: Mapping[str, Any] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)


def plain_id(text: str) -> str:
    """A part of a sample id: without separators."""
    return text.strip().replace("/", "_").replace("\\", "_")


def sample_id(dataset: str, sample: Sample) -> str:
    """`<dataset>/<subject>/<clip>[/<frame>]`; without subjects `<dataset>/<clip>`."""
    parts = [sample.subject, sample.clip, sample.frame]
    return "/".join([dataset, *(plain_id(part) for part in parts if part)])
