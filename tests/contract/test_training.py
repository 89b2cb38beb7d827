"""Every training recipe: the contract that plug-ins keep."""

import subprocess
import sys

import pytest

from fernas.core import plugins
from fernas.learn.config import AugmentConfig

RECIPES = plugins.available("training")
# options without a default
NEEDED = {"pretrained": {"weights": "weights.pth", "trained_on": "images"}}


@pytest.mark.parametrize("name", RECIPES)
def test_options(name):
    plugin = plugins.load("training", name)
    assert plugin.name == name and plugin.title and isinstance(plugin.features, bool)
    options = plugin.Config(**NEEDED.get(name, {}))
    assert isinstance(options.augment, AugmentConfig), "prediction scales images as training did"
    with pytest.raises(ValueError, match="no_such_option"):
        plugin.Config(**NEEDED.get(name, {}), no_such_option=1)


def test_none_imports_torch_to_be_configured():
    code = (
        "import sys; from fernas.core import plugins\n"
        "for name in plugins.available('training'): plugins.load('training', name)\n"
        "print(sorted({'torch', 'pandas', 'sklearn', 'skimage', 'mlflow'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
