"""Makes a supernet in one of its forms."""

from fernas.core.errors import ConfigError
from fernas.spaces.cell_space import CellSpace, space_of
from fernas.spaces.supernet import fast, plain

FORMS: dict[str, type[plain.Supernet]] = {"fast": fast.FastSupernet, "plain": plain.Supernet}


def make_supernet(
    space: str | CellSpace,
    cells: int = 8,
    channels: int = 16,
    in_channels: int = 3,
    classes: int = 7,
    form: str = "fast",
    nodes: int | None = None,
    stem: str = "plain",
) -> plain.Supernet:
    """A supernet with fresh weights and alphas (1e-3 * N(0, 1)) from torch's global generator.

    Args:
        space: a cell space or its name.
        cells: number of cells L; reduction cells at L // 3 and 2 L // 3.
        channels: width C of the first cells; the stem has 3 C channels.
        in_channels: channels of an image.
        classes: number of classes.
        form: `fast`, or `plain`, the reference; the same function of the same parameters.
        nodes: inner nodes of a cell; the space's own number by default.
        stem: `plain`, or `stride2` for inputs above 64 px.

    Raises:
        ConfigError: an unknown form, stem or space.
    """
    if form not in FORMS:
        raise ConfigError(f"supernet: form must be one of {sorted(FORMS)}, got {form!r}")
    return FORMS[form](space_of(space), cells, channels, in_channels, classes, nodes, stem)
