"""The plain supernet: its parameters are counted, its decisions checked."""

import pytest
from torch import nn

from fernas.core.errors import ConfigError
from fernas.spaces.cell_space import space_of
from fernas.spaces.supernet import make_supernet
from fernas.spaces.supernet.partial import PartialSupernet


@pytest.mark.parametrize(("cells", "channels", "classes", "count"), [(5, 4, 7, 135_987), (4, 16, 7, 1_133_111)])
@pytest.mark.parametrize("form", ["plain", "fast"])
def test_the_supernet_has_as_many_weights_as_the_released_code_of_darts(cells, channels, classes, count, form):
    net = make_supernet("darts", cells, channels, 3, classes, form)
    assert sum(weight.numel() for weight in net.weights()) == count


@pytest.mark.parametrize("stem", ["plain", "stride2"])
@pytest.mark.parametrize("kind", ["supernet", "partial channels"])
def test_only_the_batch_norm_of_the_stem_is_affine(kind, stem):
    sizes = (space_of("autofernet"), 3, 8, 3, 7, None, stem)
    net = PartialSupernet(*sizes) if kind == "partial channels" else make_supernet(*sizes[:-2], stem=stem)
    affine = {name for name, m in net.named_modules() if isinstance(m, nn.BatchNorm2d) and m.affine}
    assert affine == {"stem.1"}
    learned = {id(weight) for weight in net.weights()}
    assert all(id(parameter) in learned for parameter in net.stem[1].parameters())


def test_decisions_are_checked():
    net = make_supernet("darts", 3, 8)
    with pytest.raises(ConfigError, match="kind must be one of"):
        net.set_decisions("normals", {})
    with pytest.raises(ConfigError, match="edge must be in 0..13"):
        net.set_decisions("normal", {14: None})
    with pytest.raises(ConfigError, match="has no operation 'none'"):
        net.set_decisions("normal", {0: "none"})
    with pytest.raises(ConfigError, match="form must be one of"):
        make_supernet("darts", form="quick")
