"""The dynamic image of a clip: its frames summed with the weights of rank pooling, as one image.

Bilen et al., "Dynamic image networks for action recognition", CVPR 2016; the weights are in `weights`.
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from fernas.views._base import FaceFrames, ImageOptions, SpanOptions, SpanView, in_colour


class DynamicOptions(SpanOptions, ImageOptions):
    """Options of `dynamic`."""

    weights: Literal["bilen", "learnet", "exact"] = Field("bilen", description="how the frames are weighted")


class Dynamic(SpanView):
    """Rank pooling over a span of the clip."""

    name = "dynamic"
    Config = DynamicOptions

    def make(self, frames: FaceFrames, options: Any) -> np.ndarray:
        """Min-max over all channels of the weighted sum, uint8 (size, size, C); a constant sum is 128."""
        from fernas.views.pool import to_image
        from fernas.views.weights import fixed_weights

        if options.weights == "exact":
            raw = _exact_sum(frames, options.size)
        else:
            # these weights depend on the length alone, so frames are summed as they are decoded
            raw = frames.weighted_sum(fixed_weights(options.weights, len(frames)), options.size)
        return to_image(in_colour(raw, options.colour))

    def text(self, options: Any) -> str:
        """For example `48 px rgb, dynamic image, bilen weights, onset to apex`."""
        span = options.span.replace("_", " to ")
        return f"{options.size} px {options.colour}, dynamic image, {options.weights} weights, {span}"


def _exact_sum(frames: FaceFrames, size: int) -> np.ndarray:
    """Exact rank pooling, float32 (size, size, 3)."""
    from fernas.faces.warp import warp_face
    from fernas.views.pool import pool_frames
    from fernas.views.weights import exact

    # The weights depend on all frames, so the aligned faces, which are small, are held in memory.
    read = frames.same_sized()
    faces = [warp_face(read(n).astype(np.float32), frames.transform, size) for n in range(len(frames))]
    return pool_frames(faces.__getitem__, exact(np.stack(faces)))


PLUGIN = Dynamic()
