"""No search: a network that has a name."""

from pydantic import Field, field_validator

from fernas.core.architecture import Architecture, NamedArchitecture, Network
from fernas.core.errors import did_you_mean
from fernas.learn.config import Options
from fernas.search.context import SearchContext, SearchPlugin

NAMES = ("small_cnn", "whole_face", "linear_svm", "mobilenet_v2", "resnet18", "resnet50", "vgg16", "vgg19")


class FixedConfig(Options):
    """Which network."""

    name: str = Field(
        description="small_cnn; whole_face, the layers of patch networks; linear_svm, on features, for the recipe svm; "
        "or a reference network of torchvision"
    )

    @field_validator("name")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in NAMES:
            raise ValueError(f"unknown network {value!r}{did_you_mean(value, NAMES)}; known: {', '.join(NAMES)}")
        return value


def run(context: SearchContext) -> Architecture:
    """The architecture file of the named network."""
    context.open(needs_samples=False)
    block = Network(classes=len(context.classes), input=context.input_shape)
    return NamedArchitecture(name=context.options.name, network=block)


def skip(space: str | None) -> str | None:
    """A fixed network has no space."""
    return None if space is None else "a fixed network has no search space; leave `space` out"


PLUGIN = SearchPlugin("fixed", "fixed network", FixedConfig, run, skip, uses_data=False)
