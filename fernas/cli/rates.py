"""Core-seconds that work takes: what a plan multiplies sizes with.

A training step on n images takes, with M multiply-accumulates and A outputs of convolutions per image (forward), L
layers and P parameters,

    n (3 M / RATE + A OUTPUT_S) + L LAYER_S + P PARAMETER_S + STEP_S

so that small networks are bound by launches and large ones by arithmetic. A supernet in the compiled form is faster
the larger its steps are: with x multiply-accumulates per step and cell it does SUPERNET_RATE sqrt(x / (x + HALF_X))
per second. Measured with one thread on two cores of a server processor with AVX-512, on which other work ran beside:
a machine that idles is up to 1.5 times faster. `python -m benchmarks plan_rates` measures these constants anew.
"""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fernas.spaces.complexity import Work

RATE = 85e9
OUTPUT_S = 5e-9
PLAIN_OUTPUT_S = 13e-9  # where cells have a width that the compiled loops cannot run
STEP_S = 3e-3  # augmentation and bookkeeping of one step of `fit`
LAYER_S = 0.19e-3
PARAMETER_S = 8e-9
SUPERNET_RATE = 36e9
HALF_X = 4e9
# P-DARTS drops out behind skips and PC-DARTS takes a part of the channels, neither of which the compiled loops can do.
SLOWER = {"plain": 6.0, "pcdarts": 6.0, "pdarts": 2.3}
SVM_S = 45e-9  # per sample, feature and class of one fit

TORCH_JOB_S = 3.5  # what a job with torch takes before it works, with Snakemake's own share
LIGHT_JOB_S = 1.5
RENDER_S = 0.006  # a rendered frame
FACE_S = 0.016  # detection and landmarks on a photograph
CROP_S = 0.001  # landmarks on a shipped crop
FRAME_S = 0.0015  # a frame of a photograph or clip that is read, compared or made an input
CROP_FRAME_S = 0.0004


def training_s(work: "Work", images: float, steps: float, step_s: float = STEP_S) -> float:
    """Training of a network on so many images in so many steps."""
    return images * _image_s(work) + steps * (step_s + work.layers * LAYER_S + work.params * PARAMETER_S)


def forward_s(work: "Work", images: float) -> float:
    """Predictions of so many images: a third of what they take in training."""
    return images * _image_s(work) / 3


def _image_s(work: "Work") -> float:
    return 3 * work.macs / RATE + work.outputs * (PLAIN_OUTPUT_S if work.plain_cells else OUTPUT_S)


def supernet_s(macs: float, cell_passes: float, search: str, form: str) -> float:
    """A search by gradients that spends `macs` in so many passes forward and backward through a cell of a supernet.

    Args:
        macs: multiply-accumulates.
        cell_passes: passes through a cell.
        search: plug-in of the search.
        form: of the supernet, `fast` or `plain`.
    """
    x = macs / max(1.0, cell_passes)
    slower = max(SLOWER.get(search, 1.0), SLOWER.get(form, 1.0))
    return slower * macs / (SUPERNET_RATE * math.sqrt(x / (x + HALF_X))) if macs else 0.0
