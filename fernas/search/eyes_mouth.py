"""No search: patches on eyes and mouth, placed by hand, with as many parameters as the network of `params_from`."""

from fernas.core.architecture import Architecture, Network
from fernas.search._patch_controls import ShareConfig, eyes_and_mouth, other_boxes, wanted_area
from fernas.search._patch_options import skip
from fernas.search.context import SearchContext, SearchPlugin
from fernas.spaces.patches import to_architecture


class EyesMouthConfig(ShareConfig):
    """Nothing else to set: the positions are in fernas/search/_patch_controls.py."""


def run(context: SearchContext) -> Architecture:
    """The hand-made architecture; looks at no sample."""
    context.open(needs_samples=False)
    face_px = context.input_shape[1]
    boxes = other_boxes(context)
    genome = eyes_and_mouth(face_px, wanted_area(boxes, context.options.share, face_px))
    return to_architecture(genome, face_px, Network(classes=len(context.classes), input=context.input_shape))


PLUGIN = SearchPlugin(
    "eyes_mouth",
    "eyes and mouth by hand",
    EyesMouthConfig,
    run,
    skip,
    uses_data=False,
)
