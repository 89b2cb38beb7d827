"""What layout writers share and the config reader needs: options and the plug-in's interface; nothing heavy."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from pydantic import Field

from fernas.core.config import Strict

T = TypeVar("T")
Progress = Callable[..., Any]


class LayoutConfig(Strict):
    """Options that every rendered dataset has."""

    seed: int = Field(
        0, ge=0, description="identities, expressions and noise grow from this, the dataset's name and their index"
    )
    noise: float = Field(2.5, ge=0, le=60, description="standard deviation of the sensor's noise, grey levels")
    variety: float = Field(1.0, ge=0, le=1, description="how much subjects differ in shape, skin and light, 1 = fully")
    idle: float = Field(
        0.05, ge=0, le=0.5, description="spread of action units that have nothing to do with the expression"
    )


class SubjectsConfig(LayoutConfig):
    """Options of datasets with named subjects."""

    subjects: int = Field(4, ge=1, description="number of subjects")
    size_px: int = Field(192, ge=96, le=1024, description="height of the images; dlib wants faces of 80 px and more")
    intensity: float = Field(0.9, gt=0, le=1, description="strength of the expressions at their peak, 1 = full")
    head_motion: float = Field(1.0, ge=0, le=20, description="factor on the drift of the head within a clip")


class MacroConfig(SubjectsConfig):
    """Options of datasets of posed or spontaneous full expressions."""

    intensity: float = Field(
        1.0, gt=0, le=1, description="mean strength at the apex, 1 = full; each one varies by a fifth"
    )
    variety: float = Field(0.5, ge=0, le=1, description="how much subjects differ in shape, skin and light, 1 = fully")


class MicroConfig(SubjectsConfig):
    """Options of datasets of short clips from onset over apex to offset."""

    intensity: float = Field(
        0.12, gt=0, le=1, description="mean strength at the apex, 1 = full; each clip varies by a quarter"
    )
    head_motion: float = Field(3.0, ge=0, le=20, description="factor on the drift of the head within a clip")
    idle: float = Field(
        0.25, ge=0, le=2, description="spread of units that have nothing to do with the expression, share of intensity"
    )
    frames: int = Field(16, ge=6, le=400, description="mean number of frames from onset to offset")


class Layout(ABC):
    """A writer of one dataset's layout: the plug-in in `fernas/synth/layouts/<name>.py`."""

    name: ClassVar[str]
    Config: ClassVar[type[LayoutConfig]]

    @abstractmethod
    def write(self, out: Path, config: Any, progress: Progress | None = None) -> dict[str, Any]:
        """Write the dataset into the empty folder `out` and return its truth (see `fernas.synth.write_dataset`)."""

    def count(self, config: Any) -> dict[str, int]:
        """Class -> number of samples that `write` writes, known before it does; what a plan counts with.

        By default as many of each subject as `clips` says, or one of each of `emotions`.
        """
        shown = getattr(config, "clips", None) or dict.fromkeys(config.emotions, 1)
        return {name.lower(): number * config.subjects for name, number in shown.items()}


def follow(progress: Progress | None, items: Iterable[T], total: int, desc: str) -> Iterator[T]:
    """Iterate with the caller's progress, or silently."""
    return iter(items if progress is None else progress(items, total=total, desc=desc))
