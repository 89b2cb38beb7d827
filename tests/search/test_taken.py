"""No search: the architecture of another run."""

from fernas.core import plugins
from fernas.core.architecture import Network, write_architecture
from fernas.core.seeds import rng
from fernas.spaces.sampling import random_architecture
from tests.fixtures.toy_searches import search_context


def test_a_taken_architecture_has_the_classes_and_the_input_of_its_own_task(tmp_path):
    network = Network(cells=5, channels=8, classes=7, input=(3, 48, 48))
    found = random_architecture("emonas", rng(1), network)
    write_architecture(tmp_path / "found.json", found)
    run = search_context("taken", None, tmp_path / "run", source=tmp_path / "found.json")
    taken = plugins.load("search", "taken").run(run)
    assert (taken.normal, taken.reduce) == (found.normal, found.reduce)
    assert taken.network == network.model_copy(update={"classes": 3, "input": (3, 16, 16)})
