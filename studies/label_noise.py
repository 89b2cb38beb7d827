"""The label-noise study: does relabelling near ties find planted wrong labels, or make it worse? One command runs it.

    python -m studies.label_noise --out docs/methods/label_noise

Rendered FER2013 has labels that are right by construction. Known noise is planted in its Training split: `symmetric`
(another class, all equally likely) or `pairs` (each class's most confused one, from the confusion of a model trained
on clean labels; not from FES, which would decide the study beforehand). Then both phases of the recipe `relabel` run
with every strategy from the same start (strategy 0: no swaps, the same epochs). PublicTest chooses the epoch,
PrivateTest is scored with its true labels.

A swap is right when it gives a corrupted sample its true label back. Precision: right swaps of all. Recall: of the
corrupted samples, those with a right swap; over all epochs (ever) and in the last epoch.
"""

import argparse
import logging
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fernas.cli.output import refuse_taken
from fernas.core.errors import ConfigError, ContractError
from fernas.core.io import atomic_path, write_text
from fernas.core.seeds import derive_seed, rng
from fernas.training.relabel import RelabelConfig, RelabelPhase

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from fernas.learn.arrays import ArrayPart

logger = logging.getLogger(__name__)
NOISES = ("none", "symmetric", "pairs")
STRATEGIES = (0, 1, 2)
SPLITS = ("Training", "PublicTest", "PrivateTest")
RECIPE = RelabelConfig.model_validate(
    {
        "epochs": 30,
        "batch": 32,
        "lr": 0.05,
        "drop_path": 0.0,
        "start_accuracy": 0.85,
        "start_share": 1.0,
        "augment": {"padding": 0, "crop": 44, "rotation_deg": 0, "scale": "standard"},
    }
)
PHASE = RelabelPhase(epochs=12, batch=32, lr=0.01, drop_path_start=0.0, drop_path=0.0)


@dataclass(frozen=True)
class Splits:
    """The three splits of a rendered FER2013, with its classes in order."""

    train: "ArrayPart"
    inner: "ArrayPart"
    test: "ArrayPart"
    classes: list[str]


def symmetric_noise(labels: np.ndarray, rate: float, classes: int, generator: np.random.Generator) -> np.ndarray:
    """Labels (N,) of which round(rate N) are replaced by another class, each equally likely."""
    noisy = labels.copy()
    chosen = generator.permutation(len(labels))[: round(rate * len(labels))]
    noisy[chosen] = (noisy[chosen] + generator.integers(1, classes, len(chosen))) % classes
    return noisy


def pair_noise(labels: np.ndarray, rate: float, partner: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Labels (N,) of which round(rate N) are replaced by their class's partner, int (K,)."""
    noisy = labels.copy()
    chosen = generator.permutation(len(labels))[: round(rate * len(labels))]
    noisy[chosen] = partner[noisy[chosen]]
    return noisy


def partners(confusion: np.ndarray) -> np.ndarray:
    """Each class's most frequent wrong prediction, int (K,), from a confusion matrix (rows true); ties: the first."""
    wrong = np.asarray(confusion, float).copy()
    np.fill_diagonal(wrong, -1)
    return wrong.argmax(1)


def swap_scores(times: np.ndarray, last: np.ndarray, true: np.ndarray, noisy: np.ndarray) -> dict[str, float]:
    """Precision and recall of swaps.

    Args:
        times: how often each sample was swapped to each class, int (N, K).
        last: the replaced label of the last epoch, -1 where none, int (N,).
        true: true labels (N,).
        noisy: labels that were learned from (N,).

    Returns:
        swaps, precision, recall over all epochs, and the same of the last epoch; NaN where nothing can be counted.
    """
    corrupted = true != noisy
    right = times[np.arange(len(true)), true] * corrupted
    right_last = corrupted & (last == true)
    swapped_last = last >= 0
    return {
        "swaps": float(times.sum()),
        "precision": _share(right.sum(), times.sum()),
        "recall": _share((right > 0).sum(), corrupted.sum()),
        "swaps_last": float(swapped_last.sum()),
        "precision_last": _share(right_last.sum(), swapped_last.sum()),
        "recall_last": _share(right_last.sum(), corrupted.sum()),
    }


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")


def read_splits(dataset: Path) -> Splits:
    """The images of a FER2013 dataset by split, one grey channel."""
    from fernas.core import plugins
    from fernas.core.images import to_grey
    from fernas.datasets.manifest import build_manifest
    from fernas.learn.arrays import ArrayPart

    adapter = plugins.load("datasets", "fer2013")
    manifest = build_manifest("fer2013", dataset, adapter.Config())
    classes = list(adapter.spec.classes)
    parts = []
    for split in SPLITS:
        rows = manifest[manifest["split"] == split]
        images = [to_grey(adapter.read_frame(dataset, frames[0]))[..., None] for frames in rows["frames"]]
        labels = np.array([classes.index(label) for label in rows["label"]], np.int64)
        parts.append(ArrayPart.of(np.stack(images), labels, rows["sample_id"].tolist()))
    train, inner, test = parts
    return Splits(train, inner, test, classes)


def plain_phase(splits: Splits, noisy: np.ndarray, seed: int, recipe: RelabelConfig) -> tuple["nn.Module", int]:
    """The first phase on noisy labels, the same for every strategy: the network, and how many epochs it took."""
    import dataclasses

    import torch

    from fernas.core.architecture import NamedArchitecture, Network
    from fernas.learn.fit import Hooks, fit
    from fernas.spaces.networks import build_network

    count = len(splits.classes)
    torch.manual_seed(derive_seed(seed, "init"))
    net = build_network(
        NamedArchitecture(name="small_cnn", network=Network(classes=count, input=splits.train.input_shape))
    )

    def ended(row: dict[str, Any]) -> bool:
        return row["accuracy"] >= recipe.start_accuracy or row["epoch"] >= recipe.last_plain_epoch

    fitted = fit(
        net,
        dataclasses.replace(splits.train, labels=noisy),
        splits.inner,
        config=recipe.phase_one(),
        classes=count,
        seed=seed,
        device=torch.device("cpu"),
        hooks=Hooks(stop=ended),
    )
    return net, len(fitted.rows)


def relabel_phase(
    net: "nn.Module", splits: Splits, noisy: np.ndarray, strategy: int, seed: int, recipe: RelabelConfig
) -> dict[str, Any]:
    """The second phase from a copy of `net`: accuracy and UAR on the test split, `swap_scores`, and two more entries.

    `admitted` is the share of corrupted labels that the strategy may turn back at all; `confusion` that of PublicTest.
    """
    import copy
    import dataclasses

    import torch

    from fernas.learn.evaluate import evaluate, predict_logits
    from fernas.learn.fit import Hooks, fit
    from fernas.metrics import confusion
    from fernas.training.swaps import Swaps, make_rule

    options = recipe.model_copy(update={"strategy": strategy})
    count, cpu = len(splits.classes), torch.device("cpu")
    learned, true = dataclasses.replace(splits.train, labels=noisy), splits.train.labels
    rule = make_rule(options, splits.classes)
    swaps, net = Swaps(learned, splits.classes, rule), copy.deepcopy(net)

    def close_epoch(row: dict[str, Any], _: Any) -> None:
        swaps.close(row["epoch"])

    fit(
        net,
        learned,
        splits.inner,
        config=options.phase_two(),
        classes=count,
        seed=derive_seed(seed, "relabel"),
        device=cpu,
        hooks=Hooks(relabel=swaps.relabel, on_epoch=close_epoch),
    )
    scores = evaluate(net, splits.test, options.augment, count, cpu)
    predictions = predict_logits(net, splits.inner, options.augment, cpu).argmax(1).numpy()
    wrong = noisy != true
    return {
        "accuracy": scores["accuracy"],
        "uar": scores["uar"],
        **swap_scores(swaps.times, swaps.last, true, noisy),
        "admitted": _share(rule.admitted.numpy()[noisy[wrong], true[wrong]].sum(), wrong.sum()),
        "confusion": confusion(splits.inner.labels, predictions, count),
    }


def run_noise(
    splits: Splits, noise: str, rate: float, seed: int, recipe: RelabelConfig, partner: np.ndarray | None = None
) -> list[dict[str, Any]]:
    """One row per strategy; the strategies of one seed share noise, first phase and order of samples.

    Args:
        splits: the images, with true labels.
        noise: none, symmetric or pairs.
        rate: share of corrupted labels.
        seed: of noise, weights and order.
        recipe: options of both phases.
        partner: for pairs: what each class is taken for, int (K,).

    Returns:
        The rows; `partner` of strategy 0 is what a model trained on these labels takes each class for.
    """
    true, count = splits.train.labels, len(splits.classes)
    random = rng(seed, "noise", noise, str(rate))
    noisy = true
    if noise == "symmetric":
        noisy = symmetric_noise(true, rate, count, random)
    elif noise == "pairs":
        if partner is None:
            raise ContractError("label noise: pairs need the partners from a model trained on clean labels")
        noisy = pair_noise(true, rate, partner, random)
    net, epochs = plain_phase(splits, noisy, derive_seed(seed, "train"), recipe)
    rows = []
    for strategy in STRATEGIES:
        row = relabel_phase(net, splits, noisy, strategy, derive_seed(seed, "train"), recipe)
        row["partner"] = " ".join(map(str, partners(row.pop("confusion"))))
        rows.append({"noise": noise, "rate": rate, "strategy": strategy, "seed": seed, "plain_epochs": epochs, **row})
        logger.info("%s", rows[-1])
    return rows


def run_study(
    splits: Splits,
    rates: Sequence[float],
    seeds: int,
    recipe: RelabelConfig,
    table: "pd.DataFrame",
    save: Callable[["pd.DataFrame"], None],
) -> "pd.DataFrame":
    """What `table` lacks of all noises, rates and seeds, one after another; `save` gets the table after each."""
    import pandas as pd

    for seed in range(seeds):
        for noise, rate in [("none", 0.0), *((n, r) for n in NOISES[1:] for r in rates)]:
            if len(table) and ((table["seed"] == seed) & (table["noise"] == noise) & (table["rate"] == rate)).any():
                continue
            partner = None
            if noise == "pairs":
                clean = table[(table["seed"] == seed) & (table["noise"] == "none") & (table["strategy"] == 0)]
                partner = np.array([int(k) for k in str(clean["partner"].iloc[0]).split()], np.int64)
            rows = pd.DataFrame(run_noise(splits, noise, rate, seed, recipe, partner))
            table = pd.concat([table, rows], ignore_index=True)
            save(table)
    return table


def mean_interval(values: Sequence[float], level: float = 0.95) -> tuple[float, float]:
    """Mean and half width of its t interval; NaN values are left out, one value has no width."""
    from scipy import stats

    finite = np.asarray([v for v in values if np.isfinite(v)], float)
    if not len(finite):
        return float("nan"), float("nan")
    if len(finite) == 1:
        return float(finite[0]), float("nan")
    half = stats.t.ppf(0.5 + level / 2, len(finite) - 1) * finite.std(ddof=1) / np.sqrt(len(finite))
    return float(finite.mean()), float(half)


def summary(table: "pd.DataFrame") -> str:
    """The study's table as markdown: means over seeds with 95 % intervals, differences paired by seed."""
    head = (
        "accuracy", "minus strategy 0", "swaps", "precision", "recall", "precision, last epoch", "recall, last epoch",
        "admitted",
    )  # fmt: skip
    lines = [f"| noise | strategy | {' | '.join(head)} |", "|---|---|" + "---|" * len(head)]
    ordered = table.assign(order=table["noise"].map(NOISES.index)).sort_values(["order", "rate"], kind="stable")
    for (noise, rate), block in ordered.groupby(["noise", "rate"], sort=False):
        base = block[block["strategy"] == 0].set_index("seed")["accuracy"]
        for strategy, rows in block.groupby("strategy"):
            by_seed = rows.set_index("seed")
            cells = [
                _percent(by_seed["accuracy"]),
                "-" if strategy == 0 else _percent(by_seed["accuracy"] - base, sign=True),
            ]
            cells.append("-" if strategy == 0 else f"{by_seed['swaps'].mean():.0f}")
            for name in ("precision", "recall", "precision_last", "recall_last", "admitted"):
                cells.append("-" if strategy == 0 else _percent(by_seed[name]))
            name = "none" if noise == "none" else f"{noise}, {100 * float(str(rate)):g} %"
            lines.append(f"| {name} | {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _percent(values: Any, sign: bool = False) -> str:
    mean, half = mean_interval(list(values))
    if not np.isfinite(mean):
        return "-"
    number = f"{100 * mean:+.1f}" if sign else f"{100 * mean:.1f}"
    return number if not np.isfinite(half) else f"{number} ± {100 * half:.1f}"


def finished(path: Path, settings: dict[str, Any]) -> "pd.DataFrame":
    """The rows that an earlier call wrote, without the columns of its settings; none where there is no file.

    Raises:
        ConfigError: the file comes from other settings.
    """
    import pandas as pd

    if not path.exists():
        return pd.DataFrame()
    table = pd.read_csv(path)
    for name, value in settings.items():
        stored = sorted(set(table[name]) if name in table else [])
        if stored != [value]:
            raise ConfigError(f"{path}: was made with {name} {stored}, expected {value}; name another file with --out")
    return table.drop(columns=list(settings))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line; runs that are in <out>.csv already are not repeated."""
    parser = argparse.ArgumentParser(prog="python -m studies.label_noise", description="label-noise study")
    parser.add_argument("--out", required=True, help="<out>.csv (every run) and <out>.md (the table) are written")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.2])
    parser.add_argument("--training", type=int, default=840, help="rendered rows of Training")
    parser.add_argument(
        "--tests", type=int, default=420, help="rendered rows of PrivateTest; half as many of PublicTest"
    )
    parser.add_argument("--force", action="store_true", help="replace a table that this study did not write")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    import torch

    from fernas.synth import write_dataset

    settings = {"training": options.training, "tests": options.tests}
    csv, report = Path(f"{options.out}.csv"), Path(f"{options.out}.md")
    refuse_taken(report, options.force or csv.exists())
    table = finished(csv, settings)

    def save(rows: "pd.DataFrame") -> None:
        with atomic_path(csv) as temporary:
            rows.assign(**settings).to_csv(temporary, index=False, float_format="%.6g", lineterminator="\n")
        write_text(report, summary(rows))

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        sizes = {"training": options.training, "public": options.tests // 2, "private": options.tests}
        write_dataset("fer2013", Path(folder) / "dataset", {"seed": 1, **sizes})
        splits = read_splits(Path(folder) / "dataset")
    run_study(splits, options.rates, options.seeds, RECIPE.model_copy(update={"relabel": PHASE}), table, save)


if __name__ == "__main__":
    main()
