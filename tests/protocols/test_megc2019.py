"""The MEGC2019 composite."""

import pandas as pd
import pytest

from fernas.core.errors import DataError
from fernas.core.plugins import load
from tests.fixtures.sample_tables import (
    regular,
)


def test_megc2019_is_loso_over_three_datasets_and_says_how_many_subjects():

    labels = ("negative", "positive", "surprise")
    table = pd.concat([regular(n, 1, d, labels) for d, n in (("casme2", 4), ("smic", 3), ("samm", 5))])
    protocol = load("protocols", "megc2019")
    assert len(protocol.split(table, {}, 0)) == 12
    assert protocol.note(table, {}).endswith("12 of 68 subjects, 36 of 442 clips")
    with pytest.raises(DataError, match="dataset: got casme2, samm; expected casme2, samm, smic"):
        protocol.split(table[table["dataset"] != "smic"], {}, 0)
    with pytest.raises(DataError, match="label: got negative, surprise; expected"):
        protocol.split(table[table["label"] != "positive"], {}, 0)
