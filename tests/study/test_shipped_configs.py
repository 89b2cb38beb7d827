"""The configs that come with fernas: each is valid, and those of the papers hold every method at the papers' sizes."""

import pytest
import yaml

from fernas.core.errors import ConfigError
from fernas.search.run import load_method
from fernas.study import Study
from fernas.training.run import load_recipe
from fernas.workflow import targets
from tests.fixtures.workflow_folder import ROOT, copy_workflow

PAPERS = ROOT / "configs" / "papers"
CONFIGS = [ROOT / "config.yaml", *sorted((ROOT / "configs").rglob("*.yaml"))]
METHODS = {  # what each paper proposes and compares with, and our baselines
    "emonas": {
        "emonas", "emonas_second", "autofernet", "darts", "pdarts", "pcdarts", "darts_v1", "darts_v2",
        "pdarts_published", "pcdarts_published", "mobilenet_v2", "vgg16", "vgg19", "resnet50", "random", "random_mean",
        "small_cnn",
    },
    "autofernet": {
        "autofernet", "autofernet_released", "autofernet_published", "autofernet_relabel", "autofernet_fes",
        "autofernet_fes_deep", "autofernet_ensemble", "autofernet_transfer", "autofernet_by_position",
        "autofernet_zero_shot", "random_autofernet",
    },
    "deep_evolution": {
        "deep_evolution", "deep_evolution_nsga2", "deep_evolution_stacked", "deep_evolution_leaky", "random_patches",
        "eyes_mouth", "random_boxes", "whole_face",
    },
}  # fmt: skip


def with_roots(paper, root, datasets=None):
    """The config of a paper with a root for each of its datasets, or for some."""
    document = yaml.safe_load((PAPERS / f"{paper}.yaml").read_text())
    for name, section in document["datasets"].items():
        if name not in ("macro", "megc2019") and (datasets is None or name in datasets):
            section["root"] = str(root)
    return document


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_config_is_valid(path):
    study = Study.load(path)
    # what makes the plan needs the search spaces and budgets of all methods to fit together
    assert targets.count_jobs(study)["report"] == 1


@pytest.mark.parametrize("paper", METHODS)
def test_a_papers_config_runs_every_method_of_the_paper(paper, tmp_path):
    without = Study.load(PAPERS / f"{paper}.yaml")
    assert {dataset.source for dataset in without.config.datasets.values() if not dataset.parts} == {"real"}
    assert not list(without.runs(named=True)), "no dataset has a root"
    study = Study.parse(with_roots(paper, tmp_path))
    assert study.skipped == []
    assert {run.method for run in study.runs()} >= METHODS[paper]
    assert {run.method for run in study.runs(named=True)} == set(study.methods), "no method stands there for nothing"
    assert {run.task for run in study.runs(named=True)} == set(study.tasks)


def test_emonas_runs_on_every_dataset_that_ships(tmp_path):
    study = Study.parse(with_roots("emonas", tmp_path))
    assert {study.tasks[run.task].dataset.name for run in study.runs()} >= set(targets.SHIPPED)
    assert all(targets.dataset_files(study, name) for name in targets.SHIPPED)
    without = Study.load(PAPERS / "emonas.yaml")
    for name in targets.SHIPPED:
        with pytest.raises(ConfigError, match=r"root: missing, expected the folder of your copy"):
            targets.dataset_files(without, name)


def test_mug_oulu_and_disfa_have_six_classes_and_seven():
    study = Study.load(PAPERS / "emonas.yaml")
    classes = {
        (study.tasks[entry.task].dataset.name, len(study.tasks[entry.task].section.classes))
        for entry in study.config.study
    }
    assert {(name, count) for name in ("ckplus", "mug", "oulu", "disfa") for count in (6, 7)} <= classes


def supernet(method):
    """(cells, channels) of a method's supernet."""
    _, options = load_method(method)
    network = options.supernet_network(method.network)
    return network.cells, network.channels


def test_supernets_and_final_networks_have_the_published_sizes():
    emonas, autofernet = (Study.load(PAPERS / f"{paper}.yaml").methods for paper in ("emonas", "autofernet"))
    for method in (autofernet["autofernet"], emonas["autofernet"]):
        assert supernet(method) == (8, 16)
        assert (method.network.cells, method.network.channels, method.network.aux) == (12, 36, True)
        _, options = load_method(method)
        assert (options.total_epochs("autofernet"), options.batch, options.augment.crop) == (50, 24, 44)
    for name in ("darts", "darts_second", "pcdarts"):
        assert supernet(emonas[name]) == (8, 16)
    assert load_method(emonas["pdarts"])[1].depths == (5, 11, 17) and supernet(emonas["pdarts"])[1] == 16
    for name in ("darts", "pdarts", "pcdarts"):
        assert (emonas[name].network.cells, emonas[name].network.channels) == (20, 36)
    assert supernet(emonas["emonas"]) == (8, 24) == (emonas["emonas"].network.cells, emonas["emonas"].network.channels)


def test_autofernet_is_trained_as_published():
    methods = Study.load(PAPERS / "autofernet.yaml").methods
    options = {name: load_recipe(method)[1] for name, method in methods.items() if not method.combine}
    plain, fes, tuned = (options[name] for name in ("autofernet", "autofernet_fes", "autofernet_transfer"))
    assert (plain.epochs, plain.batch, plain.lr, plain.drop_path, plain.augment.crop) == (600, 24, 0.025, 0.2, 44)
    assert (fes.epochs, fes.relabel.epochs, fes.relabel.batch, fes.relabel.lr) == (600, 100, 64, 0.001)
    assert (fes.margin, fes.fes_threshold, options["autofernet_relabel"].strategy, fes.strategy) == (0.2, 0.03, 1, 2)
    assert (tuned.epochs, tuned.batch, tuned.lr) == (60, 64, 0.01)
    search = load_method(methods["autofernet_released"])[1]
    assert (search.pruned, search.schedule, search.criterion) == ("published", "authors", 1)
    assert options["autofernet_released"].schedule == options["autofernet_published"].schedule == "authors"
    members = Study.load(PAPERS / "autofernet.yaml").members_of("autofernet_ensemble", "per_group")
    deep = [methods[member.method].search_options.get("cells") == 20 for member in members]
    assert (len(members), sum(deep)) == (6, 2)


@pytest.mark.parametrize(
    ("paper", "datasets"), [("emonas", ["ised"]), ("autofernet", ["fer2013", "ck48"]), ("deep_evolution", ["jaffe"])]
)
def test_a_papers_config_is_planned_as_counted(paper, datasets, tmp_path):
    workflow = copy_workflow(tmp_path)
    (tmp_path / "data").mkdir()
    document = with_roots(paper, tmp_path / "data", datasets)
    (tmp_path / "paper.yaml").write_text(yaml.safe_dump(document))
    result = workflow.snakemake("-n", "--configfile", "paper.yaml")
    assert result.status == 0, result.text
    counted = {rule: n for rule, n in targets.count_jobs(Study.parse(document)).items() if n}
    assert {rule: n for rule, n in result.rules.items() if rule != "all"} == counted
