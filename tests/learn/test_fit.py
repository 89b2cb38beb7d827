import copy

import numpy as np
import pytest
import torch
from torch import nn

from fernas.core.checkpoint import CheckpointStore
from fernas.core.errors import ContractError, ScienceError
from fernas.learn.arrays import ArrayPart
from fernas.learn.config import AugmentConfig, FitConfig
from fernas.learn.evaluate import evaluate, predict_probabilities
from fernas.learn.fit import Hooks, class_weights, fit, make_optimiser
from fernas.learn.history import Snapshots
from fernas.spaces.patch_networks import PatchNetwork
from tests.fixtures.networks import TinyNetwork
from tests.fixtures.nose_inputs import inputs_with_noses
from tests.fixtures.toy_jobs import NO_AUGMENTATION
from tests.fixtures.toy_task import part

CPU = torch.device("cpu")


def options(**changes):
    return FitConfig(**{"epochs": 6, "batch": 8, "batch_share": 1.0, "lr": 0.05, **changes})


def run(config, train=None, inner=None, net=None, **hooks):
    net = net if net is not None else TinyNetwork()
    inner = inner if inner is not None else part(9, seed=1)
    train = train if train is not None else part(24)
    fitted = fit(net, train, inner, config=config, classes=3, seed=4, device=CPU, hooks=Hooks(**hooks))
    return net, fitted


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), two.state_dict().values(), strict=True))


def test_the_schedule_of_the_authors_ends_a_training_at_its_last_rate():
    _, fitted = run(options(epochs=4, lr_min=0.01, schedule="authors"))
    assert [row["lr"] for row in fitted.rows] == pytest.approx([0.0441421, 0.03, 0.0158579, 0.01], abs=1e-6)


def test_it_learns_what_can_be_seen():
    net, fitted = run(options(epochs=15))
    scores = evaluate(net, part(30, seed=7), options().augment, 3, CPU)
    assert scores["uar"] > 0.9
    assert fitted.images == 15 * 24 and fitted.evaluated == 15 * 9


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    one, _ = run(options())
    two, _ = run(options())
    other = TinyNetwork()
    fit(other, part(24), part(9, seed=1), config=options(), classes=3, seed=5, device=CPU)
    assert same(one, two) and not same(one, other)


def test_order_and_augmentation_each_follow_the_seed():
    """All images are the same one, so that logits tell nothing but its augmentation."""
    image = part(1)
    same_images = ArrayPart(image.source, np.zeros(24, int), np.arange(24) % 3, [""] * 24, [""] * 24)

    def first_step(seed, **augment):
        seen = []

        def look(logits, labels, epoch, indices):
            seen.append((indices, logits))
            return labels

        torch.manual_seed(1)
        net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))
        config = options(epochs=1, batch=24, select="last", augment=AugmentConfig(**augment))
        fit(net, same_images, part(9), config=config, classes=3, seed=seed, device=CPU, hooks=Hooks(relabel=look))
        return seen[0]

    (order, logits), (other_order, other_logits) = (first_step(seed, **NO_AUGMENTATION) for seed in (4, 5))
    assert (order != other_order).any() and torch.equal(logits, other_logits)
    assert not torch.allclose(first_step(4)[1], first_step(5)[1], atol=1e-2)


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_a_killed_run_continues_bit_for_bit(tmp_path, optimiser):
    config = options(optimiser=optimiser, lr=0.01)
    whole, expected = run(config)

    class Killed(BaseException):
        pass

    def kill(row, _):
        if row["epoch"] == 3:
            raise Killed

    store = CheckpointStore(tmp_path, "key", every_s=0.0)
    with pytest.raises(Killed):
        run(config, snapshots=Snapshots(store), on_epoch=kill)
    state = Snapshots(CheckpointStore(tmp_path, "key")).load()
    assert [row["epoch"] for row in state["rows"]] == [0, 1, 2]
    epochs = []
    resumed, fitted = run(config, resume=state, on_epoch=lambda row, _: epochs.append(row["epoch"]))
    assert epochs == [3, 4, 5]
    assert same(whole, resumed) and fitted.epoch == expected.epoch and fitted.images == expected.images


def test_a_run_killed_within_an_epoch_continues_bit_for_bit():
    """Dropout, augmentation and the order of samples go on where they were."""
    whole, _ = run(options(epochs=2))
    states = []

    class Killed(BaseException):
        pass

    class Always(Snapshots):
        def due_within(self):
            return True

        def save(self, state):
            states.append(copy.deepcopy(state))
            if len(states) == 2:
                raise Killed

    with pytest.raises(Killed):
        run(options(epochs=2), snapshots=Always(None))
    assert states[-1]["within"]["step"] == 2
    resumed, _ = run(options(epochs=2), resume=states[-1])
    assert same(whole, resumed)


def test_inner_validation_chooses_the_epoch_and_last_takes_the_last():
    history = []

    def keep(row, net):
        history.append((row["inner_uar"], -row["inner_loss"], {k: v.clone() for k, v in net.state_dict().items()}))

    net, fitted = run(options(epochs=8, lr=0.2), on_epoch=keep)
    best = max(range(8), key=lambda e: history[e][:2])
    assert fitted.epoch == best and fitted.score == history[best][0]
    assert all(torch.equal(net.state_dict()[k], v) for k, v in history[best][2].items())
    _, last = run(options(epochs=8, lr=0.2, select="last"))
    assert last.epoch == 7 and last.score is None


def test_an_epochs_scores_are_those_of_inner_validation():
    inner = part(9, seed=1)
    net, fitted = run(options(select="last"), inner=inner)
    row = fitted.rows[-1]
    scores = evaluate(net, inner, options().augment, 3, CPU)
    assert (row["inner_loss"], row["inner_uar"]) == (scores["loss"], scores["uar"])


def test_without_inner_validation_only_last_can_choose():
    empty = ArrayPart(part().source, np.arange(0), np.arange(0), [], [])
    with pytest.raises(ContractError, match="inner_validation"):
        run(options(), inner=empty)
    _, fitted = run(options(select="last"), inner=empty)
    assert fitted.evaluated == 0


def test_a_diverging_loss_is_a_failure_of_science():
    with pytest.raises(ScienceError, match="loss became"):
        run(options(lr=1e30, clip=0.0))


def test_balanced_class_weights_known_answer():
    weights = class_weights(np.array([0, 0, 0, 2]), 3, "balanced")
    assert torch.allclose(weights, torch.tensor([4 / (2 * 3), 0.0, 4 / (2 * 1)]))
    assert class_weights(np.array([0, 1]), 2, "none") is None


@pytest.mark.parametrize("optimiser", ["sgd", "adam"])
def test_weight_decay_is_the_gradient_of_a_parameter_that_the_loss_leaves_alone(optimiser):
    net = nn.Linear(1, 1, bias=False)
    nn.init.constant_(net.weight, 2.0)
    rule = make_optimiser(net, options(optimiser=optimiser, lr=0.1, momentum=0.0, weight_decay=0.5))
    net.weight.grad = torch.zeros_like(net.weight)
    rule.step()
    # SGD moves by lr times the gradient, Adam's first step is lr whatever the gradient
    assert net.weight.item() == pytest.approx(2.0 - 0.1 * 0.5 * 2.0 if optimiser == "sgd" else 2.0 - 0.1)


class Hungry(TinyNetwork):
    """Runs out of memory on more than four samples, as a GPU would."""

    def forward(self, x):
        if self.training and len(x) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
        return super().forward(x)


def test_out_of_memory_halves_the_passes_and_keeps_the_batch():
    net, fitted = run(options(epochs=2), net=Hungry())
    assert fitted.micro_batch == 4 and fitted.rows[-1]["micro_batch"] == 4
    assert fitted.images == 2 * 24


@pytest.mark.parametrize("weighting", ["none", "balanced"])
def test_passes_accumulate_to_the_gradient_of_the_whole_batch(weighting):
    """Without BatchNorm and dropout, three passes and one give the same step."""

    def linear():
        torch.manual_seed(1)
        return nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, 3))

    config = {"epochs": 1, "batch": 9, "class_weights": weighting, "select": "last"}
    train = part(20)
    train.labels[:7] = 0
    whole, _ = run(options(**config), train=train, net=linear())
    cut, _ = run(options(**config, micro_batch=3), train=train, net=linear())
    assert torch.allclose(whole[1].weight, cut[1].weight, atol=1e-6)


def test_relabel_sees_the_batch_and_its_labels_are_learned():
    """Labels moved on by one class: the network learns the moved ones."""
    calls = []

    def relabel(logits, labels, epoch, indices):
        calls.append((epoch, len(indices)))
        assert logits.shape == (len(labels), 3)
        return (labels + 1) % 3

    net, _ = run(options(epochs=15, select="last"), relabel=relabel)
    check = part(30, seed=7)
    predictions = predict_probabilities(net, check, options().augment, CPU).argmax(1)
    assert ((check.labels + 1) % 3 == predictions).mean() > 0.9
    assert sum(n for e, n in calls if e == 0) == 24


def test_the_model_carries_the_mean_nose_of_its_train_split():
    task = inputs_with_noses(["landmarks"] * 8 + ["mean"] * 4)
    train, inner = task.part([f"s{i}" for i in (0, 1, 2, 8)]), task.part(["s6", "s7", "s9"])
    net = PatchNetwork(((0, 0, 4, 4),), 1, 2, 16, 16)
    config = FitConfig(epochs=1, batch=4, augment=AugmentConfig(**NO_AUGMENTATION))
    fit(net, train, inner, config=config, classes=2, seed=1, device=CPU)
    assert net.state_dict()["mean_nose"].tolist() == pytest.approx([6.0, 7.0])
