"""Ensembles, views of methods, runs that methods start from: what the config refuses and what the grid makes of it."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from fernas.core.errors import ConfigError
from fernas.study import Study
from fernas.workflow import inputs, params
from fernas.workflow.targets import count_jobs

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def document():
    return Study.load(ROOT / "configs" / "autofernet.yaml").config.model_dump(mode="json", exclude_unset=True)


def set_in(*path, value):
    """A change of a config document: the value at a path."""

    def change(document):
        for key in path[:-1]:
            document = document[key]
        document[path[-1]] = value

    return change


def from_the_same_people(document):
    document["datasets"]["ckplus"] = {}
    document["tasks"]["ckplus"] = {**document["tasks"]["ck48-7c"], "dataset": "ckplus"}
    start = {"task": "ckplus", "protocol": "subject5", "method": "autofernet_zero_shot"}
    document["methods"]["autofernet_transfer"]["init_from"] = start
    document["study"].append({"task": "ckplus", "protocol": "subject5", "methods": ["autofernet_zero_shot"]})


ITSELF = {"task": "fer2013-7", "protocol": "official", "method": "autofernet_transfer"}
NOT_OFFICIAL = {"task": "ck48-7c", "protocol": "subject5", "methods": ["autofernet"]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_in("methods", "autofernet", "view", value="grey"), "methods.autofernet.view: unknown name 'grey'"),
        (set_in("methods", "autofernet_ensemble", "combine", value=["autofernt"]), "did you mean 'autofernet'"),
        (set_in("methods", "autofernet_ensemble", "space", value="emonas"), "has no space of its own"),
        (set_in("methods", "more", value={"combine": ["autofernet_ensemble"]}), "is itself an ensemble"),
        (set_in("methods", "more", value={"space": "emonas"}), "methods.more.search: missing"),
        (
            lambda d: d["study"][0]["methods"].remove("autofernet_fes_deep"),
            "combines autofernet_fes_deep, which is not",
        ),
        (set_in("methods", "autofernet_fes", "init_from", "task", value="fer"), "init_from.task: unknown name 'fer'"),
        (set_in("methods", "autofernet_transfer", "init_from", value=ITSELF), "is not a method that is trained before"),
        (lambda d: d["study"].append(NOT_OFFICIAL), "needs a protocol of kind official"),
        (from_the_same_people, "shows the same people as"),
        (set_in("methods", "autofernet_transfer", "extra_data", value=False), "learned from fer2013; say extra_data"),
    ],
)
def test_one_clear_message(document, change, message):
    broken = copy.deepcopy(document)
    change(broken)
    with pytest.raises(ConfigError, match=message.replace("(", r"\(")):
        Study.parse(broken)


def test_the_grid_of_ensembles_views_and_sources(document):
    study = Study.parse(document)
    run = next(run for run in study.runs() if run.method == "autofernet_ensemble")
    assert (run.fold_groups, run.shards, run.seeds) == (0, 0, [(0, 0)])
    members = study.members_of("autofernet_ensemble", "per_group")
    wide, deep = "autofernet_fes", "autofernet_fes_deep"
    assert members == [(wide, "no_data", 0, 0), (wide, "no_data", 0, 1), (deep, "no_data", 0, 0)]
    wildcards = SimpleNamespace(
        task="ck48-7c-rendered", protocol="subject5", method="autofernet_transfer", scope="no_data"
    )
    base = Path("results-autofernet/runs/fer2013-7-rendered/official/autofernet_fes/no_data/s0")
    assert inputs.source_models(study, wildcards) == [base / "t0/shard0/models.safetensors"]
    assert inputs.source_architecture(study, wildcards) == [base / "g0/architecture.json"]
    wildcards.method = "autofernet"
    assert inputs.source_models(study, wildcards) == []
    assert params.keeps_models(study)


def test_a_method_sees_its_own_view(document):
    changed = copy.deepcopy(document)
    changed["views"]["small"] = {"kind": "still", "size": 32, "colour": "grey"}
    changed["methods"]["autofernet"]["view"] = "small"
    study = Study.parse(changed)
    task = study.task_of("fer2013-7-rendered")
    assert task is study.tasks["fer2013-7"] and task.views == ["still-grey48", "small"]
    assert str(task.inputs("autofernet").inputs).endswith("/small/inputs.npy")
    assert str(task.inputs().table).endswith("/still-grey48/inputs.parquet")
    before, after = count_jobs(Study.parse(document)), count_jobs(study)
    assert after["make_inputs"] == before["make_inputs"] + 1


def test_the_threshold_study_is_the_published_grid_and_its_methods_differ_in_nothing_else():
    config = Study.load(ROOT / "configs" / "thresholds.yaml").config
    found = {}
    for name, method in config.methods.items():
        options = dict(method.recipe_options)
        if name not in ("autofernet", "no_swaps"):
            found[options.pop("margin"), options.pop("fes_threshold")] = method.model_copy(
                update={"recipe_options": options}
            )
    assert set(found) == {(round(0.05 * m, 2), f) for m in range(1, 11) for f in (0.02, 0.03, 0.04)}
    assert len({method.model_dump_json() for method in found.values()}) == 1
    assert set(config.study[0].methods) == set(config.methods)
