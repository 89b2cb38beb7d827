"""Imports torchvision's reference networks, also where its compiled operators are absent.

The torchvision wheel that belongs to a CPU build of torch may carry operators for another build; its import then fails
with "operator torchvision::nms does not exist". Registering the two schemas first cures it: no network here uses them.
"""

import functools
import importlib
from types import ModuleType

import torch

SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_registered: list[torch.library.Library] = []  # a registration lives as long as its library object


def _has_operator(name: str) -> bool:
    return any(s.name == f"torchvision::{name}" for s in torch._C._jit_get_all_schemas())


@functools.cache
def models() -> ModuleType:
    """The module `torchvision.models`; the schemas are registered only when the plain import fails for want of them."""
    try:
        return importlib.import_module("torchvision.models")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    library = torch.library.Library("torchvision", "FRAGMENT")
    _registered.append(library)
    for name, schema in SCHEMAS.items():
        if not _has_operator(name):
            library.define(schema)
    return importlib.import_module("torchvision.models")
