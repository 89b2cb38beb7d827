"""A problem whose solution is known: two small regions show the class, the rest is noise (a study, and a test).

Four classes are two bits; each bit is the sign of a faint brightness in one region, at most 2 % of the face, fixed
relative to the nose, whose position varies. One region alone allows 50 %, both together nearly 100 %, all other
regions chance level.
Evolution and random search get as many evaluations; both genomes are then trained alike and tested on fresh samples.

python -m studies.planted --seeds 10 --out docs/methods/planted_patches.md
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fernas.cli.output import refuse_taken
from fernas.core.budget import BudgetMeter
from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import NetworkConfig
from fernas.core.io import append_jsonl, read_jsonl, write_text
from fernas.core.progress import progress
from fernas.core.run_log import RunLog
from fernas.core.seeds import derive_seed, rng
from fernas.learn.arrays import ArrayPart
from fernas.search.context import SearchContext
from fernas.search.evolution import EvolutionConfig
from fernas.spaces.patches import NOSE, Genome, PatchLimits, first_pixel

FACE_PX, REGION_PX = 48, 6
COVERED = 1 / 3  # share of a region under patches from which on it counts as covered
CLASSES = ["--", "-+", "+-", "++"]
OPTIONS: dict[str, Any] = {
    "population": 20,
    "generations": 10,
    "max_patches": 3,
    "max_side": 1 / 6,
    "max_share": 0.05,
    "size_penalty": 0.0,
    "occlusions": 0,
    "train": {"epochs": 8, "lr": 0.003, "flip": False, "nose_jitter": 0.0},
}


@dataclass(frozen=True)
class Problem:
    """Where the class is visible: offsets (dx, dy) of the two regions' centres from the nose tip, pixels."""

    regions: tuple[tuple[int, int], tuple[int, int]]
    seed: int

    @property
    def share(self) -> float:
        """Share of the face that one region covers."""
        return REGION_PX**2 / FACE_PX**2

    def samples(self, count: int, name: str) -> ArrayPart:
        """Images of noise with the two signs, the nose up to 3 px from its mean: a part of `count` samples."""
        random = rng(self.seed, "samples", name)
        labels = np.arange(count) % len(CLASSES)
        noses = np.array(NOSE) * FACE_PX - 0.5 + random.uniform(-3, 3, (count, 2))
        images = random.normal(128, 40, (count, FACE_PX, FACE_PX))
        for image, label, nose in zip(images, labels, noses, strict=True):
            for bit, (dx, dy) in enumerate(self.regions):
                x0, y0 = first_pixel(nose[0], dx, REGION_PX), first_pixel(nose[1], dy, REGION_PX)
                image[y0 : y0 + REGION_PX, x0 : x0 + REGION_PX] += 40 if (int(label) >> (1 - bit)) & 1 else -40
        pixels = images.clip(0, 255).astype(np.uint8)[..., None]
        ids = [f"{name}/{i}" for i in range(count)]
        return ArrayPart(pixels, np.arange(count), labels, ids, [""] * count, noses.astype(np.float32))

    def covered(self, genome: Genome) -> tuple[float, float]:
        """Share of each region that the patches of a genome cover."""
        shares = []
        for dx, dy in self.regions:
            covered = np.zeros((REGION_PX, REGION_PX), bool)
            x0, y0 = first_pixel(0.0, dx, REGION_PX), first_pixel(0.0, dy, REGION_PX)
            for bx, by, w, h in genome:
                x1, y1 = first_pixel(0.0, bx, w) - x0, first_pixel(0.0, by, h) - y0
                covered[max(0, y1) : max(0, y1 + h), max(0, x1) : max(0, x1 + w)] = True
            shares.append(float(covered.mean()))
        return shares[0], shares[1]


def make_problem(seed: int) -> Problem:
    """Two regions that do not touch, at random places at least 4 px inside of the face."""
    random = rng(seed, "regions")
    limits = PatchLimits(FACE_PX - 8, 1, True, (REGION_PX,), FACE_PX**2)
    while True:
        centres = []
        for _ in range(2):
            (x0, x1), (y0, y1) = limits.centres(REGION_PX, 0), limits.centres(REGION_PX, 1)
            centres.append((int(random.integers(x0, x1 + 1)), int(random.integers(y0, y1 + 1))))
        if max(abs(centres[0][0] - centres[1][0]), abs(centres[0][1] - centres[1][1])) > 2 * REGION_PX:
            return Problem((centres[0], centres[1]), seed)


def planted_context(problem: Problem, folder: Path, options: Any, seed: int, samples: int = 128) -> SearchContext:
    """A search on a planted problem."""
    log = RunLog(folder)
    log.start({})
    return SearchContext(
        space="patches",
        weights=problem.samples(samples, "weights"),
        selection=problem.samples(samples, "selection"),
        inner_validation=problem.samples(4, "inner"),
        classes=CLASSES,
        input_shape=(1, FACE_PX, FACE_PX),
        options=options,
        network=NetworkConfig(),
        seed=seed,
        budget=BudgetMeter(),
        checkpoint=CheckpointStore(folder / "work", "planted"),
        log=log,
        history_path=folder / "search.jsonl",
    )


def run_once(seed: int, options: EvolutionConfig) -> dict[str, Any]:
    """Both searches on the problem of one seed."""
    from fernas.search._evolution import search
    from fernas.search._random_patches import random_search

    problem = make_problem(seed)
    row: dict[str, Any] = {"seed": seed}
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("evolution", "random"):
            context = planted_context(problem, Path(temporary) / name, options, derive_seed(seed, "search"))
            architecture: Any = (
                search(context) if name == "evolution" else random_search(context, options.evaluations, options)
            )
            genome = tuple((p.dx, p.dy, p.w, p.h) for p in architecture.patches)
            shares = problem.covered(genome)
            row[f"{name}_regions"] = sum(share >= COVERED for share in shares)
            row[f"{name}_test"] = _test_accuracy(architecture, problem, options, seed)
            row[f"{name}_patches"] = len(genome)
    return row


def _test_accuracy(architecture: Any, problem: Problem, options: EvolutionConfig, seed: int) -> float:
    """Accuracy on fresh samples of the searched network, trained on as many new ones as the search had."""
    import torch

    from fernas.search._patch_training import fit_patches, images_of, mean_nose, score_patches, starting_network

    train, test = problem.samples(256, "final"), problem.samples(2000, "test")
    nose = mean_nose(train)
    images = images_of(train, nose, options.train.scale)
    net = starting_network(architecture, derive_seed(seed, "final"), torch.device("cpu"))
    fit_patches(net, images, options.train, derive_seed(seed, "final"))
    return score_patches(net, images_of(test, nose, options.train.scale), len(CLASSES))["accuracy"]


def table(rows: list[dict[str, Any]], options: EvolutionConfig) -> str:
    """The outcome as markdown: a row per seed, then counts and the paired difference with its 95 % t interval."""
    from scipy import stats

    lines = [
        "| seed | regions found by evolution | by random search | test accuracy, evolution | random search |",
        "|---|---|---|---|---|",
    ]
    for row in rows:
        lines.append(
            f"| {row['seed']} | {row['evolution_regions']} of 2 | {row['random_regions']} of 2 | "
            f"{100 * row['evolution_test']:.1f} % | {100 * row['random_test']:.1f} % |"
        )
    both = {name: sum(row[f"{name}_regions"] == 2 for row in rows) for name in ("evolution", "random")}
    gain = np.array([row["evolution_test"] - row["random_test"] for row in rows])
    lines += [
        "",
        f"Both regions: evolution in {both['evolution']} of {len(rows)} seeds, random search in {both['random']}; "
        f"{options.evaluations} evaluations each.",
    ]
    if len(rows) > 1:
        half = float(stats.t.ppf(0.975, len(rows) - 1) * gain.std(ddof=1) / np.sqrt(len(rows)))
        lines.append(
            "Test accuracy, evolution less random search, paired over seeds: "
            f"{100 * gain.mean():+.1f} percentage points, "
            f"95 % confidence interval {100 * (gain.mean() - half):+.1f} to {100 * (gain.mean() + half):+.1f}."
        )
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Run the study and write its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=1, help="first seed")
    parser.add_argument("--out", type=Path, required=True, help="markdown file to write")
    parser.add_argument("--force", action="store_true", help="replace a table that this study did not write")
    args = parser.parse_args(arguments)
    options = EvolutionConfig(**OPTIONS)
    done = args.out.with_suffix(".jsonl")  # a study that was ended goes on with the next seed
    refuse_taken(args.out, args.force or done.exists())
    rows = read_jsonl(done) if done.exists() else []
    seeds = [s for s in range(args.first, args.first + args.seeds) if s not in {row["seed"] for row in rows}]
    for seed in progress(seeds, total=len(seeds), desc="planted problem"):
        append_jsonl(done, run_once(seed, options))
        rows = sorted(read_jsonl(done), key=lambda row: int(row["seed"]))
    write_text(args.out, table(rows, options))


if __name__ == "__main__":
    main()
