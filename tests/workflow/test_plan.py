"""The workflow without running it: rules, scripts, dry runs, who reads what, messages for bad input."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fernas.study import Study
from fernas.workflow import targets
from tests.fixtures.workflow_folder import ROOT, copy_workflow


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The dry run of the whole demo from nothing."""
    return copy_workflow(tmp_path_factory.mktemp("demo")).snakemake("-n", "--forceall")


def test_rules_with_scripts_are_the_scripts():
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    used = re.findall(r'"\.\./workflow_scripts/(\w+)\.py"', text)
    assert sorted(used) == sorted(p.stem for p in (ROOT / "workflow_scripts").glob("*.py"))
    for rule, script in re.findall(r"^rule (\w+):\n(?:(?!^rule ).*\n)*?.*workflow_scripts/(\w+)\.py", text, re.M):
        assert rule == script


def test_snakemakes_own_report_asks_for_no_number_of_cores(workflow):
    """A rule whose threads are a share of the cores would stop it before it misses the results, which are not here."""
    command = [sys.executable, "-m", "snakemake", "--report", "study.html"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=workflow.folder, env=environment, text=True, capture_output=True, check=False)
    assert "comparison.csv marked for report but does not exist" in done.stderr, done.stderr


def test_the_demo_is_planned_as_counted(demo):
    assert demo.status == 0, demo.text
    counted = {rule: n for rule, n in targets.count_jobs(Study.load(ROOT / "config.yaml")).items() if n}
    planned = {rule: n for rule, n in demo.rules.items() if rule != "all"}
    assert planned == counted
    assert sum(planned.values()) < 130


@pytest.mark.parametrize(
    ("config", "datasets"), [("configs/tiny.yaml", ()), ("config.yaml", ("fer2013",)), ("config.yaml", ("megc2019",))]
)
def test_a_small_study_and_named_targets_are_planned_as_counted(workflow, config, datasets):
    result = workflow.snakemake("-n", *datasets, "--configfile", config)
    assert result.status == 0, result.text
    counted = {rule: n for rule, n in targets.count_jobs(Study.load(ROOT / config), datasets).items() if n}
    assert {rule: n for rule, n in result.rules.items() if rule not in ("all", *datasets)} == counted


def test_the_full_demo_holds_every_method_and_is_planned_as_counted(workflow):
    study = Study.load(ROOT / "configs" / "full.yaml")
    listed = {name for entry in study.config.study for name in entry.methods}
    assert {
        "emonas", "autofernet", "deep_evolution", "random", "random_mean", "random_autofernet", "random_patches",
        "darts", "darts_second", "pdarts", "pcdarts", "mobilenet_v2", "vgg16", "vgg19", "resnet50", "resnet18",
        "small_cnn", "lbp_top_svm",
    } <= listed  # fmt: skip
    published = {name for name in listed if study.cells_of(name) is not None}
    assert published == {"autofernet_published", "darts_v1", "darts_v2", "pdarts_published", "pcdarts_published"}
    demo = set(Study.load(ROOT / "config.yaml").methods)
    assert demo >= listed - published, "the demo has a row for each search, if only a skipped one"
    result = workflow.snakemake("-n", "--configfile", "configs/full.yaml", "--resources", "mem_mb=7000")
    assert result.status == 0, result.text
    counted = {rule: n for rule, n in targets.count_jobs(study).items() if n}
    assert {rule: n for rule, n in result.rules.items() if rule != "all"} == counted


def test_only_prediction_and_the_audit_read_test_ids(demo):
    readers = {job.rule for job in demo.jobs if any("folds.test" in path for path in job.inputs)}
    assert readers == {"predict", "audit_folds"}


def test_only_data_stages_read_the_renderers_truth(demo):
    readers = {job.rule for job in demo.jobs if any("truth.json" in path for path in job.inputs)}
    assert readers == {"build_manifest", "audit_dataset"}
    text = (ROOT / "workflow_scripts" / "build_manifest.py").read_text()
    assert "truth" not in text, "build_manifest waits for the sidecar and does not read it"


def test_searches_and_trainings_need_the_audit_of_folds(demo):
    for job in demo.jobs:
        if job.rule in ("search", "train"):
            assert any(re.search(r"tasks/[^/]+/[^/]+/audit\.json$", path) for path in job.inputs), job


def test_parsing_imports_nothing_heavy():
    code = (
        "import sys; from fernas.study import Study; from fernas.workflow import start, targets;"
        "list(Study.load('config.yaml').runs()); import fernas.cli.app;"
        "print(sorted({'torch', 'mlflow', 'cv2', 'dlib', 'matplotlib', 'snakemake'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("target", ["ckplus", "megc2019", "tables"])
def test_targets(workflow, target):
    assert workflow.snakemake("-n", target).status == 0


def test_complexity_asks_for_networks_and_costs_alone(workflow):
    result = workflow.snakemake("-n", "complexity")
    assert result.status == 0, result.text
    assert result.rules["complexity"] == 1 and "predict" not in result.rules


def test_final_trains_what_the_config_lists_and_never_reads_test_ids(workflow):
    result = workflow.snakemake("-n", "final")
    assert result.status == 0, result.text
    assert result.rules["final_model"] == len(Study.load(ROOT / "config.yaml").config.final)
    readers = {job.rule for job in result.jobs if any("folds.test" in path for path in job.inputs)}
    assert readers == {"predict", "audit_folds"}
    searches = [path for job in result.jobs if job.rule == "final_model" for path in job.inputs if "/g0/" in path]
    assert searches and all("/whole_dataset/" in path for path in searches)


def test_ablation_plans_its_config_and_says_what_it_lacks_in_others(workflow):
    result = workflow.snakemake("-n", "ablation")
    assert result.status == 2 and "configs/ablation.yaml" in result.text and "Traceback" not in result.text
    result = workflow.snakemake("-n", "ablation", "--configfile", "configs/ablation.yaml")
    assert result.status == 0 and result.rules["ablation"] == 1, result.text


METHOD = '''"""The first network of the space that comes to mind."""

from fernas.core.seeds import rng
from fernas.learn.config import Options
from fernas.search._supernet_options import skip
from fernas.search.context import SearchPlugin


def run(context):
    from fernas.spaces.sampling import random_architecture

    context.open()
    return random_architecture(context.space_name, rng(context.seed), context.network_block())


PLUGIN = SearchPlugin("first_idea", "first idea", Options, run, skip)
'''


def test_a_new_method_is_one_file_and_one_section(tmp_path):
    workflow = copy_workflow(tmp_path, package=True)
    (tmp_path / "fernas" / "search" / "first_idea.py").write_text(METHOD)

    def change(document):
        document["methods"]["idea"] = {
            "search": "first_idea",
            "space": "emonas",
            "network": {"cells": 3, "channels": 8},
        }
        document["study"] = [{"task": "ckplus-7n", "protocol": "subject4", "methods": ["idea"]}]
        document["final"] = []

    edit(tmp_path, change)
    result = workflow.snakemake("-n")
    assert result.status == 0, result.text
    assert (result.rules["search"], result.rules["train"]) == (2, 2)


def test_a_final_model_must_be_in_the_study(workflow):
    entry = {"task": "ckplus-7n", "protocol": "subject4", "method": "vgg16"}
    edit(workflow.folder, lambda d: d.update(final=[entry]))
    result = workflow.snakemake("-n")
    assert result.status == 2 and "final.0: vgg16 on ckplus-7n" in result.text


@pytest.mark.parametrize(
    ("task", "method", "message"),
    [
        ("ckplus-7n", "lbp_top_svm", "is made of clips"),
        ("megc2019-3", "small_cnn", "works on images"),
    ],
)
def test_views_and_recipes_must_fit(workflow, task, method, message):
    def change(document):
        document["methods"]["small_cnn"]["view"] = "lbp-top64"
        document["study"] = [{"task": task, "protocol": "subject4", "methods": [method]}]
        document["final"] = []

    edit(workflow.folder, change)
    result = workflow.snakemake("-n")
    assert result.status == 2 and message in result.text, result.text


@pytest.mark.parametrize("target", targets.SHIPPED)
def test_every_dataset_target_plans_or_says_what_is_missing(workflow, target):
    result = workflow.snakemake("-n", target)
    study = Study.load(ROOT / "config.yaml")
    if any(study.tasks[entry.task].dataset.name == target for entry in study.config.study):
        assert result.status == 0, result.text
    else:
        assert result.status == 2 and f"{target}" in result.text and "Traceback" not in result.text


def edit(folder: Path, change) -> None:
    document = yaml.safe_load((folder / "config.yaml").read_text())
    change(document)
    (folder / "config.yaml").write_text(yaml.safe_dump(document))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(sed=1), "sed: unknown key (did you mean 'seed'?)"),
        (lambda d: d["methods"]["emonas"].update(space="emona"), "did you mean 'emonas'"),
        (lambda d: d["methods"]["emonas"]["network"].update(cells="x"), "got 'x'"),
    ],
)
def test_a_bad_config_is_one_message_and_status_2(workflow, change, message):
    edit(workflow.folder, change)
    result = workflow.snakemake("-n")
    assert result.status == 2
    assert message in result.text and "Traceback" not in result.text


def test_a_real_dataset_without_root_is_skipped_with_a_line_and_refused_when_named(workflow):
    edit(workflow.folder, lambda d: d["datasets"]["ckplus"].update(source="real"))
    result = workflow.snakemake("-n")
    assert result.status == 0, result.text
    assert "skipped: ckplus-7n: datasets.ckplus: source is real and root is not set" in result.text
    made = {(job.rule, path) for job in result.jobs for path in job.outputs if "ckplus" in path}
    # nothing works on it; its tables hold the reason
    assert made and all(rule == "compare" and path.startswith("results/tables/") for rule, path in made)
    named = workflow.snakemake("-n", "ckplus")
    assert named.status == 2 and "datasets.ckplus.root: missing" in named.text
