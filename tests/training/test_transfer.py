import copy

import pytest
import torch
from safetensors.torch import load_file

from fernas.core.architecture import CellsArchitecture, Network, read_architecture, write_architecture
from fernas.core.errors import ScienceError
from fernas.core.io import read_json, read_jsonl, write_json
from fernas.search.run import SearchSpec, run_search
from fernas.spaces.networks import build_network
from fernas.training._transfer import OriginWeights, load_into
from fernas.training.run import read_origin
from tests.fixtures.toy_jobs import NO_AUGMENTATION, method_section, train_toy
from tests.fixtures.toy_task import CLASSES as TOY
from tests.fixtures.toy_task import write_task

PAIRS = (("skip_connect", 0), ("sep_conv_3x3", 1)) * 4
CELLS = CellsArchitecture(
    space="autofernet", normal=PAIRS, normal_concat=(2, 3, 4, 5), reduce=PAIRS, reduce_concat=(2, 3, 4, 5)
)
KNOWN = ["anger", "sadness", "neutral"]


def network(classes):
    block = Network(cells=3, channels=4, aux=True, classes=classes, input=(1, 16, 16))
    return build_network(CELLS.model_copy(update={"network": block}))


def source_of(net, tmp_path, classes=tuple(KNOWN)):
    return OriginWeights(
        tmp_path / "m", {name: value.clone() for name, value in net.state_dict().items()}, list(classes)
    )


def test_units_are_matched_by_name_and_a_new_class_starts_afresh(tmp_path):
    torch.manual_seed(0)
    other, net = network(3), network(3)
    fresh = copy.deepcopy(net.state_dict())
    source = source_of(other, tmp_path)
    new = load_into(net, source, ["neutral", "contempt", "anger"], "by_name")
    assert new == ["contempt"]
    for layer in ("classifier", "aux.classifier"):
        for name in ("weight", "bias"):
            got, taken = net.state_dict()[f"{layer}.{name}"], source.weights[f"{layer}.{name}"]
            assert torch.equal(got[0], taken[2]) and torch.equal(got[2], taken[0])
            assert torch.equal(got[1], fresh[f"{layer}.{name}"][1]) and not torch.equal(got[1], taken[1])
    rest = [name for name in fresh if "classifier" not in name]
    assert rest and all(torch.equal(net.state_dict()[name], source.weights[name]) for name in rest)


def test_by_position_reuses_every_unit_as_published(tmp_path):
    other, net = network(3), network(3)
    assert load_into(net, source_of(other, tmp_path), ["anger", "sadness", "contempt"], "by_position") == []
    assert all(torch.equal(a, b) for a, b in zip(net.state_dict().values(), other.state_dict().values(), strict=True))
    with pytest.raises(ScienceError, match="by_position needs 2"):
        load_into(network(2), source_of(other, tmp_path), ["anger", "sadness"], "by_position")


def test_another_number_of_classes_is_fine_by_name_and_another_network_is_not(tmp_path):
    small = network(2)
    assert load_into(small, source_of(network(3), tmp_path), ["sadness", "anger"], "by_name") == []
    block = Network(cells=3, channels=6, aux=True, classes=3, input=(1, 16, 16))
    wide = build_network(CELLS.model_copy(update={"network": block}))
    with pytest.raises(ScienceError, match="has the shape"):
        load_into(wide, source_of(network(3), tmp_path), KNOWN, "by_name")


def train(files, out, architecture, method, source=None):
    """Train both folds, from the run of the task `source` where that is given."""
    models = None if source is None else source.root / "out" / "models.safetensors"
    origin = None if source is None else read_origin(method_section(**method), models, source.folds, files.folds)
    return train_toy(files, out, [architecture], method, origin=origin)


@pytest.fixture
def finished(tmp_path):
    """A source run with its model, and a task of the same images whose third class has another name."""
    files = write_task(tmp_path / "source")
    block = Network(cells=3, channels=4, classes=3, input=(3, 16, 16))
    architecture = tmp_path / "source" / "architecture.json"
    write_architecture(architecture, CELLS.model_copy(update={"network": block}))
    plain = {"recipe": "plain", "recipe_options": {"epochs": 2, "batch": 8, "augment": NO_AUGMENTATION, "drop_path": 0}}
    assert train(files, tmp_path / "source" / "out", architecture, plain) == "ok"
    target = write_task(tmp_path / "target")
    document = read_json(tmp_path / "target" / "folds.train.json")
    write_json(tmp_path / "target" / "folds.train.json", {**document, "classes": ["middle", "low", "other"]})
    return files, target, architecture


def test_from_a_run_to_another_task_and_zero_shot(finished, tmp_path):
    files, target, architecture = finished
    start = {"task": "a", "protocol": "b", "method": "c", "fold": 1}
    method = {"search": "taken", "recipe": "finetune", "init_from": start}
    out = tmp_path / "target" / "g0"
    assert run_search(target.job(out, "k", 1), SearchSpec.of({"method": method}, "no_data", 0, architecture)) == "ok"
    taken_over = read_architecture(out / "architecture.json")
    assert taken_over.normal == CELLS.normal and taken_over.network.classes == 3 and taken_over.network.cells == 3
    zero = {**method, "recipe_options": {"zero_shot": True, "augment": NO_AUGMENTATION}}
    assert train(target, tmp_path / "zero", out / "architecture.json", zero, source=files) == "ok"
    taken, made = (
        load_file(files.root / "out" / "models.safetensors"),
        load_file(tmp_path / "zero" / "models.safetensors"),
    )
    assert torch.equal(made["fold0/stem.0.weight"], taken["fold1/stem.0.weight"])
    assert torch.equal(made["fold1/classifier.weight"][0], taken["fold1/classifier.weight"][TOY.index("middle")])
    rows = read_jsonl(tmp_path / "zero" / "training.jsonl")
    assert [row["new_units"] for row in rows] == [["other"], ["other"]]
    tuned = {
        **method,
        "recipe_options": {"epochs": 2, "batch": 8, "augment": NO_AUGMENTATION, "drop_path": 0, "drop_path_start": 0},
    }
    assert train(target, tmp_path / "tuned", out / "architecture.json", tuned, source=files) == "ok"
    after = load_file(tmp_path / "tuned" / "models.safetensors")
    assert not torch.equal(after["fold0/stem.0.weight"], taken["fold1/stem.0.weight"])


def test_deeper_cells_of_another_run(finished, tmp_path):
    _, target, architecture = finished
    method = {"search": "taken", "search_options": {"cells": 5}}
    out = tmp_path / "deep"
    assert run_search(target.job(out, "k", 1), SearchSpec.of({"method": method}, "no_data", 0, architecture)) == "ok"
    taken_over = read_architecture(out / "architecture.json")
    assert taken_over.network.cells == 5 and taken_over.normal == CELLS.normal


def test_a_failed_source_is_a_failed_run_with_its_reason(finished, tmp_path):
    files, target, architecture = finished
    (files.root / "out" / "models.safetensors").write_bytes(b"")
    method = {"recipe": "finetune", "recipe_options": {"epochs": 1}}
    assert train(target, tmp_path / "t", architecture, method, source=files) == "failed"
    assert "that training failed" in read_json(tmp_path / "t" / "status.json")["reason"]


@pytest.mark.parametrize("zero_shot", [True, False])
def test_each_fold_starts_from_the_weights_of_its_own_fold_of_the_same_task(finished, tmp_path, zero_shot):
    """Fold k of another run has learnt from the test subjects of all folds but k."""
    files, _, architecture = finished
    start = {"task": "a", "protocol": "b", "method": "c"}
    options = {"zero_shot": zero_shot, "epochs": 1, "batch": 8, "lr": 1e-12, "weight_decay": 0.0}
    options |= {"augment": NO_AUGMENTATION, "drop_path": 0, "drop_path_start": 0}
    method = {"search": "taken", "recipe": "finetune", "init_from": start, "recipe_options": options}
    assert train(files, tmp_path / "out", architecture, method, source=files) == "ok"
    source, made = load_file(files.root / "out" / "models.safetensors"), load_file(tmp_path / "out/models.safetensors")
    learned = [name.removeprefix("fold0/") for name in made if name.startswith("fold0/") and "weight" in name]
    assert learned
    for name in learned:
        assert not torch.allclose(source[f"fold0/{name}"], source[f"fold1/{name}"], atol=1e-6)
        for fold in (0, 1):
            assert torch.allclose(made[f"fold{fold}/{name}"], source[f"fold{fold}/{name}"], atol=1e-7)
