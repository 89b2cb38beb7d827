"""Repetitions that the config no longer has."""

from pathlib import Path

import pytest

from fernas.core.config import StudyConfig
from fernas.study import Study
from fernas.study.left_over import left_over, list_left_over, listed
from tests.fixtures.made_up_results import fabricate

RUN = "ckplus-7n-rendered/kfold4/emonas/per_group"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.of(fabricate(tmp_path / "results")).at(tmp_path / "results")


def changed(study: Study, **method: int) -> Study:
    """The study after a change of one method."""
    document = study.config.model_dump(mode="json")
    document["methods"]["emonas"].update(method)
    return Study.of(StudyConfig(**document)).at(study.results)


def test_what_the_config_asks_for_is_not_left_over(study: Study) -> None:
    assert left_over(study) == [] and list_left_over(study) == [] and not (study.results / "left_over.json").exists()


def test_seeds_groups_and_shards_beyond_the_config_are_left_over(study: Study) -> None:
    runs = study.layout.all_runs
    for name in ("s1/g0", "s1/t0/shard0", "s0/g2", "s0/t0/shard7"):
        (runs / RUN / name).mkdir(parents=True, exist_ok=True)
    (runs / RUN / "s0" / "notes").mkdir()
    fewer = changed(study, train_seeds=1)
    names = [f"{RUN}/{name}" for name in ("s0/g2", "s0/t0/shard7", "s0/t1", "s1")]
    names.append("megc2019-3-rendered/megc/emonas/per_group/s0/t1")  # the method runs there too
    assert left_over(fewer) == [runs / name for name in names]
    list_left_over(fewer)
    assert listed(study.results) == names
    # a study that has them again counts them again
    list_left_over(changed(study, train_seeds=2, search_seeds=2))
    assert listed(study.results) == [f"{RUN}/s0/g2", f"{RUN}/s0/t0/shard7"]
