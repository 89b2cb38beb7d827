import pytest

from fernas.core import plugins
from fernas.core.errors import ConfigError


def test_unknown_plugin_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'emonas'"):
        plugins.load("spaces", "emonass")
    with pytest.raises(ConfigError, match="unknown name 'colours'"):
        plugins.available("colours")
