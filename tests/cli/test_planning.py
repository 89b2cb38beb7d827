"""The plan beside what was measured: folds, sizes, core-seconds of single jobs and of whole studies."""

import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fernas.cli import rates
from fernas.cli.app import app
from fernas.cli.planning import _work, estimate, run_costs, splits_of
from fernas.cli.sizes import dataset_size, task_size
from fernas.core.errors import ConfigError
from fernas.datasets.manifest import build_manifest, merge_manifests
from fernas.datasets.tasks import task_samples
from fernas.protocols.folds import SplitSpec, make_folds
from fernas.study import Study
from fernas.synth import write_dataset

ROOT = Path(__file__).resolve().parents[2]
WITHIN = 1.5

# Core-seconds of the demo's jobs (searches, shards), the mean over the jobs of a run without the start of the process,
# from the cost.json of one run of config.yaml on two virtual cores of an AMD EPYC with AVX-512, both of them in use.
DEMO = {
    ("ckplus-7n", "emonas"): (14.5, 9.7),
    ("ckplus-7n", "autofernet"): (14.2, 11.0),
    ("ckplus-7n", "deep_evolution"): (17.0, 3.3),
    ("ckplus-7n", "random"): (29.1, 9.7),
    ("ckplus-7n", "random_autofernet"): (24.9, 12.2),
    ("ckplus-7n", "random_patches"): (14.9, 3.0),
    ("ckplus-7n", "random_mean"): (0.0, 10.0),
    ("ckplus-7n", "whole_face"): (0.0, 12.6),
    ("ckplus-7n", "small_cnn"): (0.0, 6.6),
    ("megc2019-3", "emonas"): (13.7, 22.8),
    ("megc2019-3", "random"): (31.6, 19.7),
    ("megc2019-3", "random_mean"): (0.0, 21.1),
    ("megc2019-3", "small_cnn"): (0.0, 14.3),
    ("megc2019-3", "lbp_top_svm"): (0.0, 2.3),
}

# One training step, seconds of one core of the same machine: (network, side in px, channels, batch, seconds). Cells are
# the first network that a generator draws; the steps are those of `fit`, with augmentation.
STEPS = [
    ({"space": "emonas", "channels": 24, "cells": 8, "stem": "stride2"}, 112, 3, 16, 0.609),
    ({"space": "emonas", "channels": 24, "cells": 8, "stem": "stride2"}, 48, 3, 24, 0.213),
    ({"space": "autofernet", "channels": 36, "cells": 12, "stem": "plain", "aux": True}, 44, 1, 24, 2.70),
    ({"space": "autofernet", "channels": 16, "cells": 8, "stem": "plain", "aux": True}, 44, 1, 24, 0.341),
    ("mobilenet_v2", 48, 1, 32, 0.129),
    ("mobilenet_v2", 112, 3, 16, 0.174),
    ("mobilenet_v2", 224, 3, 8, 0.414),
    ("resnet18", 112, 3, 16, 0.358),
    ("resnet50", 112, 3, 16, 0.910),
    ("resnet50", 224, 3, 8, 2.09),
    ("vgg16", 112, 3, 16, 3.55),
    ("small_cnn", 112, 3, 32, 0.368),
    ("small_cnn", 48, 1, 32, 0.0480),
    ("whole_face", 96, 1, 32, 0.142),
]

# One step of a search by gradients, both halves: multiply-adds of the supernet per image, cells, batch, seconds.
SUPERNET_STEPS = [
    (1_837_497_984, 8, 8, 2.90),  # emonas, C 24, 8 cells, 112 px
    (1_837_497_984, 8, 32, 12.4),
    (337_501_824, 8, 16, 1.79),  # the same at 48 px
    (1_157_133_504, 8, 24, 5.26),  # autofernet, C 16, 8 cells, 44 px grey
    (1_201_014_528, 8, 16, 3.39),  # emonas, C 16, 8 cells, 64 px
    (675_571_456, 8, 24, 3.33),  # darts, C 16, 8 cells, 48 px
]


def within(planned: float, measured: float) -> bool:
    return measured / WITHIN <= planned <= measured * WITHIN


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's study without results."""
    return Study.load(ROOT / "config.yaml").at(tmp_path_factory.mktemp("none"))


def test_every_job_of_the_demo_is_planned_as_it_was_measured(demo):
    seen = {}
    for cost in run_costs(demo):
        search, train = DEMO[cost.run.task, cost.run.method]
        seen[cost.run.task, cost.run.method] = cost
        assert within(cost.search_s, search + rates.TORCH_JOB_S), (cost.run.method, cost.search_s, search)
        assert within(cost.train_s, train + rates.TORCH_JOB_S), (cost.run.method, cost.train_s, train)
    assert set(seen) == set(DEMO)


def test_the_demo_and_the_full_demo_cost_what_they_cost(demo, tmp_path):
    measured = sum(
        (search + rates.TORCH_JOB_S) * len(cost.run.searches) + (train + rates.TORCH_JOB_S) * len(cost.run.all_shards)
        for cost in run_costs(demo)
        for search, train in [DEMO[cost.run.task, cost.run.method]]
    )
    stages = {stage["stage"]: stage["core_s"] for stage in estimate(demo)["stages"]}
    assert stages["search"] + stages["train"] == pytest.approx(measured, rel=0.25)
    # docs/methods/compared.md: 2,508 core-seconds on two cores
    assert within(3600 * estimate(Study.load(ROOT / "configs" / "full.yaml").at(tmp_path))["core_hours"], 2508)


@pytest.mark.parametrize(("network", "side", "channels", "batch", "measured"), STEPS)
def test_a_training_step_takes_what_was_measured(network, side, channels, batch, measured):
    block = {"classes": 7, "input": [channels, side, side]}
    if isinstance(network, str):
        document = {"kind": "named", "name": network, "network": block}
    else:
        from fernas.core.architecture import Network
        from fernas.core.seeds import rng
        from fernas.spaces.sampling import random_architecture

        sizes = {key: value for key, value in network.items() if key != "space"}
        drawn = random_architecture(network["space"], rng(0, "plan", network["space"], 0), Network(**sizes, **block))
        document = drawn.model_dump(mode="json")
    planned = rates.training_s(_work(json.dumps(document)), batch, 1)
    assert within(planned, measured), (planned, measured)


@pytest.mark.parametrize(("macs", "cells", "batch", "measured"), SUPERNET_STEPS)
def test_a_supernet_step_takes_what_was_measured(macs, cells, batch, measured):
    planned = rates.supernet_s(6 * macs * batch, 2 * cells, "darts_first", "fast")
    assert within(planned, measured), (planned, measured)


def test_more_work_takes_longer():
    small, large = (_work(json.dumps({"kind": "named", "name": name, "network": {"classes": 7, "input": [3, 48, 48]}}))
                    for name in ("small_cnn", "resnet18"))  # fmt: skip
    for work in (small, large):
        assert rates.training_s(work, 64, 4) > rates.training_s(work, 64, 2) > rates.training_s(work, 32, 2)
        assert rates.training_s(work, 64, 4) > rates.forward_s(work, 64) > 0
    assert rates.training_s(large, 64, 4) > rates.training_s(small, 64, 4)
    seconds = [rates.supernet_s(1e12, passes, "darts_first", "fast") for passes in (1, 10, 1000, 100_000)]
    assert seconds == sorted(seconds) and seconds[0] < seconds[-1]
    assert rates.supernet_s(1e12, 10, "darts_first", "plain") > seconds[1]


def test_a_longer_or_wider_study_costs_more(demo):
    def hours(epochs=12, **network):
        document = demo.config.model_dump(mode="json")
        document["study"] = [{"task": "ckplus-7n", "protocol": "subject4", "methods": ["emonas"]}]
        document["final"] = []
        document["methods"]["emonas"]["network"].update(network)
        document["methods"]["emonas"]["recipe_options"]["epochs"] = epochs
        return estimate(Study.parse(document).at(demo.results))["core_hours"]

    assert hours() < hours(channels=16) and hours() < hours(cells=5) and hours() < hours(epochs=24)


# --- sizes

REAL = {
    "megc2019-3": (442, 68),  # the composite's own counts, not the sums of its parts
    "casme2-5": (246, 26),  # without sadness and fear
    "fer2013-7": (35887, 35887),
    "ck48-7c": (981, 118),
}


@pytest.fixture
def real(demo):
    """The demo's study on real datasets that nobody has read yet."""
    document = demo.config.model_dump(mode="json")
    for name, section in document["datasets"].items():
        document["datasets"][name] = {**section, "source": "real", "root": None if name == "megc2019" else "/data"}
        document["datasets"][name]["rendered"] = {}
    return Study.parse(document).at(demo.results)


@pytest.mark.parametrize("task", REAL)
def test_sizes_are_the_published_ones_of_the_tasks_classes(real, task):
    size = task_size(real, task)
    assert size.inputs == pytest.approx(REAL[task][0], abs=2) and size.counts.units == REAL[task][1]


def test_rendered_sizes_are_those_of_the_demo(demo):
    sizes = {task: task_size(demo, task) for task in ("ckplus-7n", "megc2019-3")}
    assert sizes["ckplus-7n"].inputs == 224 and sizes["ckplus-7n"].counts.units == 16
    assert sizes["megc2019-3"].inputs == pytest.approx(143, abs=1) and sizes["megc2019-3"].counts.units == 12


def test_shipped_crops_are_not_planned_as_photographs(real):
    """FER2013's 35,887 images took 36.2, 12.6 to 21.7 and 3.3 core-seconds on the machine of the tables above."""
    stages = {stage["stage"]: stage["core_s"] for stage in estimate(real, ["fer2013"])["stages"]}
    assert within(stages["align_faces"], 36.2) and within(stages["audit_dataset"], 17)
    assert stages["make_inputs"] < 20


def test_a_named_target_is_planned_and_what_a_plan_leaves_out_is_said(demo):
    whole, named = estimate(demo), estimate(demo, ["fer2013"])
    assert any("fer2013" in row for row in whole["left_out"])
    jobs = {stage["stage"]: stage["jobs"] for stage in named["stages"]}
    assert jobs["search"] == 2 and jobs["train"] == 2 and "compare" not in jobs
    done = CliRunner().invoke(app, ["plan", str(ROOT / "config.yaml"), "fer2013", "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["jobs"] == named["jobs"]
    with pytest.raises(ConfigError, match="did you mean 'fer2013'"):
        estimate(demo, ["fer2031"])


def test_memory_is_that_of_the_largest_method_and_gpus_are_not_planned(demo):
    document = demo.config.model_dump(mode="json")
    document["methods"]["emonas"]["mem_mb"], document["device"] = 8000, "auto"
    planned = estimate(Study.parse(document).at(demo.results))
    assert planned["memory_mb_per_job"] == 8000 and "not for a GPU" in planned["planned_for"]
    assert estimate(demo)["planned_for"] == "processor cores"


# --- folds

RENDERED = {
    "ckplus": {"subjects": 9, "emotions": ["happiness", "surprise"], "frames": 4, "quirks": False},
    "jaffe": {"subjects": 4, "stills": 1, "size_px": 96},
    "ck48": {"subjects": 10, "emotions": ["happiness", "surprise"], "frames": 4},
    "fer2013": {"training": 60, "public": 12, "private": 12, "people": 12},
    "casme2": {"subjects": 2, "clips": {"disgust": 1, "happiness": 1, "surprise": 1}, "frames": 6},
    "smic": {"subjects": 2, "clips": {"negative": 1, "positive": 1, "surprise": 1}, "frames": 6},
    "samm": {"subjects": 2, "clips": {"Anger": 1, "Happiness": 1, "Surprise": 1}, "frames": 6},
}
PLACES = {
    "subject_kfold": ("ckplus", {"folds": 3}),
    "loso": ("ckplus", {}),
    "megc2019": ("megc2019", {}),
    "leave_one_dataset_out": ("both", {}),
    "cross_dataset": ("both", {"train": ["ckplus"], "test": ["jaffe"]}),
    "official": ("fer2013", {}),
    "random_8020": ("ckplus", {"repeats": 3}),
    "ck48_blocks": ("ck48", {"folds": 8}),
}


@pytest.fixture(scope="module")
def manifests(tmp_path_factory):
    """The rendered datasets by name, read."""
    base = tmp_path_factory.mktemp("layouts")
    tables = {}
    for name, options in RENDERED.items():
        write_dataset(name, base / name, {"seed": 1, **options})
        tables[name] = build_manifest(name, base / name, {})
    parts = {name: tables[name] for name in ("casme2", "smic", "samm")}
    both = {name: tables[name] for name in ("ckplus", "jaffe")}
    return {**tables, "megc2019": merge_manifests("megc2019", parts, {}), "both": _stacked(both)}


def _stacked(parts):
    import pandas as pd

    return pd.concat(parts.values(), ignore_index=True)


@pytest.mark.parametrize("kind", PLACES)
def test_the_planned_folds_are_those_that_are_made_of_a_rendered_dataset(kind, manifests, tmp_path):
    dataset, options = PLACES[kind]
    classes = ["negative", "positive", "surprise"] if dataset == "megc2019" else ["happiness", "surprise"]
    frames = {"kind": "clip"} if dataset == "megc2019" else {"kind": "still"}
    sections = {name: {"source": "rendered", "rendered": value} for name, value in RENDERED.items()}
    document = {
        "results": str(tmp_path),
        "datasets": {**sections, "megc2019": {"source": "rendered"}, "both": {"parts": ["ckplus", "jaffe"]}},
        "views": {"v": {"kind": "apex" if dataset == "megc2019" else "still", "size": 24, "colour": "grey"}},
        "tasks": {"t": {"dataset": dataset, "classes": classes, "frames": frames, "view": "v", "min_samples": 1}},
        "protocols": {"p": {"kind": kind, "options": options, "groups": 1, "shards": 1}},
        "methods": {"m": {"search": "fixed", "search_options": {"name": "small_cnn"}}},
        "study": [{"task": "t", "protocol": "p", "methods": ["m"]}],
    }
    study = Study.parse(document)
    planned = splits_of(study, next(iter(study.runs())), task_size(study, "t"))
    samples = task_samples(manifests[dataset], study.tasks["t"].section)
    spec = SplitSpec(kind, options, fold_groups=1 if planned.folds == 1 else 2, same_people={})
    train, test = make_folds(samples, spec)
    assert planned.folds == len(train["folds"])
    learnt = sum(len(fold["weights"]) + len(fold["selection"]) for fold in train["folds"]) / len(train["folds"])
    assert within(planned.train, learnt)
    assert within(max(1, planned.tested), sum(len(fold["test"]) for fold in test["folds"]))
    assert dataset_size(study.datasets[dataset]).samples == pytest.approx(len(manifests[dataset]), abs=2)


def test_a_manifest_that_is_there_is_counted(manifests, tmp_path):
    from fernas.core.io import write_parquet

    document = yaml.safe_load((ROOT / "configs" / "tiny.yaml").read_text())
    study = Study.parse({**document, "results": str(tmp_path)})
    assert task_size(study, "ckplus-3").counts.units == 8
    path = study.datasets["ckplus"].files.manifest
    path.parent.mkdir(parents=True)
    write_parquet(path, manifests["ckplus"])
    assert task_size(study, "ckplus-3").counts.units == RENDERED["ckplus"]["subjects"]
