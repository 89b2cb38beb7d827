"""No search: patches at random positions, none selected, with the sizes of those of the network of `params_from`."""

from fernas.core.architecture import Architecture, Network
from fernas.search._patch_controls import ShareConfig, other_boxes
from fernas.search._patch_options import skip
from fernas.search.context import SearchContext, SearchPlugin
from fernas.spaces.patches import PatchLimits, canonical_order, to_architecture


class RandomBoxesConfig(ShareConfig):
    """Nothing else to set; `search_seeds` of the method is how often it is drawn."""


def run(context: SearchContext) -> Architecture:
    """Draw once; looks at no sample."""
    from fernas.core.seeds import rng

    context.open(needs_samples=False)
    face_px, random = context.input_shape[1], rng(context.seed, "boxes")
    sizes = other_boxes(context)
    if sizes is None:
        # the bounds that `PatchSearchConfig` has by default
        limits = PatchLimits.of(face_px, 4, False, 1 / 12, 1 / 3, context.options.share)
        genome = limits.random_genome(random)
    else:
        # the sizes are given: the face alone limits where their centres may be
        limits = PatchLimits(face_px, len(sizes), True, (1,), face_px**2)
        boxes = []
        for _, _, w, h in sizes:
            (x0, x1), (y0, y1) = limits.centres(w, 0), limits.centres(h, 1)
            boxes.append((int(random.integers(x0, x1 + 1)), int(random.integers(y0, y1 + 1)), w, h))
        genome = tuple(sorted(boxes, key=canonical_order))
    return to_architecture(genome, face_px, Network(classes=len(context.classes), input=context.input_shape))


PLUGIN = SearchPlugin(
    "random_boxes",
    "random places, not selected",
    RandomBoxesConfig,
    run,
    skip,
    uses_data=False,
)
