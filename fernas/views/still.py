"""A still image: the aligned face of a photo, or of a clip's apex frame."""

from typing import Any

import numpy as np

from fernas.views._base import FaceFrames, View, in_colour


class Still(View):
    """The aligned face of one frame."""

    name = "still"

    def make(self, frames: FaceFrames, options: Any) -> np.ndarray:
        """The warped frame, uint8 (size, size, C)."""
        return in_colour(frames.aligned(0, options.size), options.colour)


PLUGIN = Still()
