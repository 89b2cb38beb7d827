"""The difference between a clip's apex and onset frames: motion without its course."""

from typing import Any

import numpy as np

from fernas.views._base import FaceFrames, Phases, View, in_colour


class ApexMinusOnset(View):
    """Apex minus onset, stretched to 0..255."""

    name = "apex_minus_onset"
    needs_clips = True

    def positions(self, phases: Phases, options: Any) -> list[int]:
        """Onset and apex, or one frame where they are the same."""
        return [phases.onset, phases.apex] if phases.apex > phases.onset else [phases.apex]

    def span_text(self, options: Any) -> str:
        """Both frames are one."""
        return "apex is onset"

    def make(self, frames: FaceFrames, options: Any) -> np.ndarray:
        """Min-max over all channels of the difference, uint8 (size, size, C); no motion at all is 128."""
        from fernas.views.pool import to_image

        # one weighted sum, so that the difference is taken before the warp rounds both frames to 8 bits
        raw = frames.weighted_sum(np.array([-1.0, 1.0]), options.size)
        return to_image(in_colour(raw, options.colour))


PLUGIN = ApexMinusOnset()
