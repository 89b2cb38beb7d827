"""Ensembles, views of methods, runs that methods start from: what the config refuses and what the grid makes of it."""

import copy
from pathlib import Path
from types import SimpleNamespace

import pytest

from fernas.core.errors import ConfigError
from fernas.study import Study
from fernas.study.runs import extra_data
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
    assert task is study.tasks["fer2013-7"]
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


FOUND = {"task": "ck48-7c", "protocol": "subject5", "method": "small_cnn", "scope": "no_data"}


def with_own_source(document, **source):
    """A study in which a method starts from another one on the same task under the same protocol, with five folds."""
    changed = copy.deepcopy(document)
    changed["methods"]["small_cnn"] = {"search": "fixed", "search_options": {"name": "small_cnn"}}
    changed["methods"]["tuned"] = {"search": "taken", "recipe": "finetune", "init_from": {**FOUND, **source}}
    methods = ["small_cnn", "tuned", "autofernet"]
    changed["study"] = [{"task": "ck48-7c", "protocol": "subject5", "methods": methods}]
    for name in [name for name in changed["methods"] if name.startswith("autofernet_")]:
        del changed["methods"][name]
    changed["methods"]["autofernet"]["scopes"] = ["per_group"]
    return changed


def test_each_fold_starts_from_its_own_fold_within_one_task_and_protocol(document):
    study = Study.parse(with_own_source(document))
    base = Path("results-autofernet/runs/ck48-7c-rendered/subject5/small_cnn/no_data/s0")
    for shard in ("0", "1"):
        wildcards = SimpleNamespace(
            task="ck48-7c-rendered", protocol="subject5", method="tuned", scope="no_data", shard=shard
        )
        assert inputs.source_models(study, wildcards) == [base / f"t0/shard{shard}/models.safetensors"]
        assert inputs.source_folds(study, wildcards) == [study.tasks["ck48-7c"].folds("subject5").train]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"fold": 0}, "init_from.fold: got 0; within one task and protocol every fold starts from the same fold"),
        ({"scope": "per_group"}, "small_cnn is not run in scope per_group; expected no_data"),
        ({"method": "autofernet", "scope": "per_group"}, "autofernet has 2 architectures on ck48-7c under subject5"),
    ],
)
def test_a_source_that_saw_test_subjects_of_other_folds_is_refused(document, source, message):
    with pytest.raises(ConfigError, match=message):
        Study.parse(with_own_source(document, **source))


def test_a_search_per_fold_is_no_source_for_the_other_folds(document):
    changed = with_own_source(document, method="autofernet", scope="per_fold")
    changed["methods"]["autofernet"]["scopes"] = ["per_fold"]
    changed["protocols"]["subject5"]["fold_count"] = 5
    with pytest.raises(ConfigError, match="autofernet has 5 architectures on ck48-7c under subject5"):
        Study.parse(changed)


def test_another_protocol_on_the_same_people_is_refused(document):
    changed = with_own_source(document, protocol="blocks10")
    changed["study"].append({"task": "ck48-7c", "protocol": "blocks10", "methods": ["small_cnn"]})
    with pytest.raises(ConfigError, match="tuned on ck48-7c starts from ck48, which shows the same people as ck48"):
        Study.parse(changed)


def chain(document):
    """CK48 -> FER2013 -> CK+: every step is from other people, the first and the last dataset show the same ones."""
    changed = with_own_source(document)
    changed["datasets"]["ckplus"] = {}
    changed["tasks"]["ckplus-7c"] = {**changed["tasks"]["ck48-7c"], "dataset": "ckplus"}
    finetune = {"search": "taken", "recipe": "finetune", "extra_data": True}
    changed["methods"]["tuned"] = {**finetune, "init_from": FOUND}
    back = {"task": "fer2013-7", "protocol": "official", "method": "tuned", "scope": "no_data"}
    changed["methods"]["tuned_again"] = {**finetune, "init_from": back}
    changed["study"] = [
        {"task": "ck48-7c", "protocol": "subject5", "methods": ["small_cnn"]},
        {"task": "fer2013-7", "protocol": "official", "methods": ["tuned"]},
        {"task": "ckplus-7c", "protocol": "subject5", "methods": ["tuned_again"]},
    ]
    return changed


def test_people_are_inherited_over_the_whole_chain(document):
    changed = chain(document)
    message = "tuned_again on ckplus-7c starts, by way of tuned on fer2013-7, from ck48, which shows the same people"
    with pytest.raises(ConfigError, match=message):
        Study.parse(changed)
    changed["tasks"]["ckplus-7c"]["dataset"] = "jaffe"
    Study.parse(changed)


def test_people_are_inherited_by_way_of_the_first_task_itself(document):
    """CK48 -> FER2013 -> CK48 under one protocol: the fold in between has learnt from one fold of CK48."""
    changed = chain(document)
    changed["study"][2]["task"] = "ck48-7c"
    with pytest.raises(ConfigError, match="by way of tuned on fer2013-7, from ck48, which shows the same people"):
        Study.parse(changed)


def test_extra_data_must_be_said_over_the_whole_chain(document):
    changed = chain(document)
    changed["tasks"]["ckplus-7c"]["dataset"] = "jaffe"
    more = {"task": "ckplus-7c", "protocol": "subject5", "method": "tuned_again", "scope": "no_data"}
    changed["methods"]["third"] = {"search": "taken", "recipe": "finetune", "init_from": more}
    changed["methods"]["both"] = {"combine": ["third"]}
    changed["study"][2]["methods"] = ["tuned_again", "third", "both"]
    with pytest.raises(ConfigError, match="methods.third: on ckplus-7c it takes over.* from fer2013; say extra_data"):
        Study.parse(changed)
    changed["methods"]["third"]["extra_data"] = True
    study = Study.parse(changed)
    assert extra_data(study, "ckplus-7c", "subject5", "both", "per_group") is True
    assert extra_data(study, "ck48-7c", "subject5", "small_cnn", "no_data") is False


def test_what_a_pretrained_source_was_trained_on_is_inherited(document):
    changed = with_own_source(document)
    options = {"weights": "w.pt", "trained_on": "ImageNet"}
    changed["methods"]["small_cnn"] |= {"recipe": "pretrained", "recipe_options": options}
    study = Study.parse(changed)
    for method in ("small_cnn", "tuned"):
        assert extra_data(study, "ck48-7c", "subject5", method, "no_data") == "ImageNet"
