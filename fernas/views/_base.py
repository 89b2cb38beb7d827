"""What a view is: a file of `fernas/views` that says its options, the frames it reads and how an image is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

import numpy as np
from pydantic import Field

from fernas.core.config import Strict, validate_section
from fernas.core.errors import DataError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

ReadFrame = Callable[[str, str], np.ndarray]  # (dataset, reference) -> uint8 RGB (H, W, 3)


class ViewOptions(Strict):
    """Options of every view."""

    size: int = Field(48, ge=8, le=512, description="height and width of the aligned face in pixels")


class ImageOptions(ViewOptions):
    """Options of a view that holds images."""

    colour: Literal["rgb", "grey"] = Field("rgb", description="three channels or one")


class Phases(NamedTuple):
    """Where the phases of a clip are: positions among its `frames` frames, onset <= apex <= offset < frames."""

    onset: int
    apex: int
    offset: int
    frames: int


@dataclass(frozen=True)
class FaceFrames:
    """The frames that a view reads of one sample, and where the face is in them.

    Attributes:
        dataset: the dataset that they are read from.
        references: one per frame, in the order of time.
        transform: float64 (2, 3), source pixels -> unit square of the aligned face.
        read_frame: (dataset, reference) -> uint8 RGB (H, W, 3).
    """

    dataset: str
    references: tuple[str, ...]
    transform: np.ndarray
    read_frame: ReadFrame

    def __len__(self) -> int:
        return len(self.references)

    def source(self, number: int) -> np.ndarray:
        """A whole source frame, uint8 RGB (H, W, 3); each call decodes it."""
        return self.read_frame(self.dataset, self.references[number])

    def aligned(self, number: int, size: int) -> np.ndarray:
        """The aligned face of a frame, uint8 RGB (size, size, 3)."""
        from fernas.faces.warp import warp_face

        return warp_face(self.source(number), self.transform, size)

    def same_sized(self) -> Callable[[int], np.ndarray]:
        """A reader of source frames by number that refuses a size other than the first frame's (DataError)."""
        first = self.source(0)

        def read(number: int) -> np.ndarray:
            if number == 0:  # decoded above; every frame is decoded once
                return first
            frame = self.source(number)
            if frame.shape != first.shape:
                raise DataError(
                    f"{self.references[number]} is {frame.shape[1]}x{frame.shape[0]} px, "
                    f"{self.references[0]} {first.shape[1]}x{first.shape[0]}"
                )
            return frame

        return read

    def weighted_sum(self, weights: np.ndarray, size: int) -> np.ndarray:
        """The weighted sum of the frames in the aligned face, float32 RGB (size, size, 3).

        Warping and summing are both linear, so the sum is warped instead of the frames: once, and only the window of
        the source that the face needs is summed.

        Args:
            weights: float64 (T,), one per frame.
            size: of the aligned face, pixels.
        """
        from fernas.faces.warp import source_window, warp_face
        from fernas.views.pool import Window, pool_frames

        # frames of two sizes cannot be summed, and one transform cannot align both
        read = self.same_sized()
        height, width = read(0).shape[:2]
        window, moved = source_window(self.transform, height, width)
        return warp_face(pool_frames(read, weights, Window(*window)), moved, size)


class View:
    """Base of the plug-ins of `fernas/views`.

    Attributes:
        name: the file's name, `kind` in the config.
        needs_clips: it is made of a clip's motion; samples that are stills are refused.
        holds_features: float32 features instead of uint8 images.
        Config: the options, `size` and more; imports neither torch nor OpenCV.
    """

    name: ClassVar[str]
    needs_clips: ClassVar[bool] = False
    holds_features: ClassVar[bool] = False
    Config: ClassVar[type[ViewOptions]] = ImageOptions

    @property
    def dtype(self) -> "DTypeLike":
        """Of the stored array."""
        return np.float32 if self.holds_features else np.uint8

    def options(self, options: Mapping[str, Any] | ViewOptions) -> Any:
        """The checked options; a ConfigError names what is wrong."""
        if isinstance(options, self.Config):
            return options
        return validate_section(self.Config, dict(options), f"view {self.name}")

    def shape(self, options: Any) -> tuple[int, int, int]:
        """(H, W, C) of one stored sample; features have H = W = 1."""
        return options.size, options.size, 3 if options.colour == "rgb" else 1

    def positions(self, phases: Phases, options: Any) -> list[int]:
        """The frames of a clip that are read, in the order of time; by default the apex."""
        return [phases.apex]

    def span_text(self, options: Any) -> str:
        """Which frames are read, for the reason of an exclusion."""
        return "apex"

    def make(self, frames: FaceFrames, options: Any) -> np.ndarray:
        """The stored array of one sample, of `shape` and `dtype`; the same frames give the same bits.

        Raises:
            DataError: a frame cannot be read, or the frames do not belong together.
        """
        raise NotImplementedError

    def text(self, options: Any) -> str:
        """A few words for the tables."""
        return f"{options.size} px {options.colour}, {self.name.replace('_', '-')}"


class SpanOptions(ViewOptions):
    """Options of a view that reads a span of a clip."""

    span: Literal["onset_apex", "onset_offset", "all"] = Field("onset_apex", description="which frames of the clip")


class SpanView(View):
    """Base of the views that read all frames of a span; their options are `SpanOptions` and more."""

    needs_clips = True

    def positions(self, phases: Phases, options: Any) -> list[int]:
        """All frames from the first to the last of the span, both included."""
        first, last = {
            "onset_apex": (phases.onset, phases.apex),
            "onset_offset": (phases.onset, phases.offset),
            "all": (0, phases.frames - 1),
        }[options.span]
        return list(range(first, last + 1))

    def span_text(self, options: Any) -> str:
        """The span's name."""
        return options.span


def in_colour(image: np.ndarray, colour: str) -> np.ndarray:
    """RGB (H, W, 3) as it is, or as grey (H, W, 1)."""
    from fernas.core.images import to_grey

    return image if colour == "rgb" else to_grey(image)[:, :, None]
