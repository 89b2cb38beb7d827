"""Do the found patches matter? Occlusion on the selection part, of the patch network and of the whole-face network."""

from typing import Any

import numpy as np
import torch

from fernas.core.architecture import NamedArchitecture, Network
from fernas.core.seeds import rng
from fernas.search._evaluations import Evaluations
from fernas.search._patch_training import fit_patches, score_patches, starting_network
from fernas.search._patches_config import EvolutionConfig
from fernas.spaces.patch_networks import WholeFaceNetwork
from fernas.spaces.patches import Box, Genome


def occlusion_check(genome: Genome, evaluations: Evaluations, options: EvolutionConfig) -> dict[str, Any]:
    """What hiding patches costs; an entry `occlusion` for the history, or nothing where it is switched off.

    `patches`: accuracy that the genome's network loses when one of its patches is blank. `whole_face`: accuracy that
    the whole-face network, trained alike, loses when the regions of the patches are blank on every face, beside the
    same boxes at random places (mean, and the share of placements that cost as much or more).
    """
    if not options.occlusions:
        return {}
    e, config = evaluations, options.train
    net = starting_network(e.architecture(genome), e.seed, e.device)
    fit_patches(net, e.train, config, e.seed)
    full = score_patches(net, e.selection, e.classes)["accuracy"]
    views = [e.selection.cut(box) for box in genome]
    lost = []
    for blank in range(len(genome)):
        covered = [torch.zeros_like(v) if i == blank else v for i, v in enumerate(views)]
        lost.append(full - score_patches(net, e.selection, e.classes, covered)["accuracy"])
    block = Network(classes=e.classes, input=e.context.input_shape)
    whole = starting_network(NamedArchitecture(name="whole_face", network=block), e.seed, e.device)
    fit_patches(whole, e.train, config, e.seed)
    untouched = score_patches(whole, e.selection, e.classes)["accuracy"]
    found = untouched - _covered(whole, genome, e)
    random = rng(e.context.seed, "occlusion")
    elsewhere = [untouched - _covered(whole, _moved(genome, e, random), e) for _ in range(options.occlusions)]
    return {
        "occlusion": {
            "accuracy": full,
            "patches": lost,
            "whole_face": {
                "accuracy": untouched,
                "lost": found,
                "lost_elsewhere": float(np.mean(elsewhere)),
                "as_much_elsewhere": float(np.mean([value >= found - 1e-12 for value in elsewhere])),
                "placements": options.occlusions,
            },
        }
    }


def _moved(genome: Genome, e: Evaluations, random: np.random.Generator) -> Genome:
    """The same sizes at random legal places."""
    boxes: list[Box] = []
    for _, _, w, h in genome:
        (x0, x1), (y0, y1) = e.limits.centres(w, 0), e.limits.centres(h, 1)
        boxes.append((int(random.integers(x0, x1 + 1)), int(random.integers(y0, y1 + 1)), w, h))
    return tuple(boxes)


def _covered(net: WholeFaceNetwork, genome: Genome, e: Evaluations) -> float:
    """Accuracy of the whole-face network with these boxes blank (zero: the mean of a standardised image)."""
    images = e.selection.whole().clone()
    _, height, width, _ = e.selection.size
    rows = torch.arange(height, device=e.device)
    columns = torch.arange(width, device=e.device)
    for dx, dy, w, h in genome:
        x0 = torch.floor(e.selection.noses[:, 0] + (dx - (w - 1) / 2 + 0.5))[:, None]
        y0 = torch.floor(e.selection.noses[:, 1] + (dy - (h - 1) / 2 + 0.5))[:, None]
        inside = ((rows >= y0) & (rows < y0 + h))[:, :, None] & ((columns >= x0) & (columns < x0 + w))[:, None, :]
        images = images.masked_fill(inside[:, None], 0.0)
    return score_patches(net, e.selection, e.classes, [images])["accuracy"]
