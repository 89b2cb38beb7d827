"""Train the folds of one shard from files to files: what the `train` rule calls.

Test ids are in a file that nothing here reads. Weights and selection parts together are learned from, and inner
validation may choose the epoch. See `fernas.learn.job` for how a training ends and continues.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fernas.core import plugins
from fernas.core.architecture import Architecture, read_architecture
from fernas.core.config import MethodConfig, validate_section
from fernas.core.errors import ContractError, DataError, ScienceError
from fernas.core.io import read_json, write_json
from fernas.core.run_log import read_status
from fernas.learn.job import JobInputs, JobKind, JobTools, run_job
from fernas.training.context import FoldTask, Origin, RecipePlugin, TrainContext

TRAINING = JobKind("training", "training.jsonl", ("models.safetensors", "cost.json"))


@dataclass(frozen=True)
class Searches:
    """The searches whose networks are trained.

    Attributes:
        architectures: their files, in the order of the fold groups (of the folds for scope `per_fold`).
        scope: scope of the searches.
    """

    architectures: tuple[Path, ...]
    scope: str

    def of_folds(self, document: dict[str, Any], folds: list[int]) -> dict[int, Architecture]:
        """The architecture of each given fold of the train splits `document`.

        Raises:
            ScienceError: the search of one of them failed (its file is empty); the reason is that of the search.
            ContractError: there is no architecture for a fold.
        """
        entries = {int(entry["fold"]): entry for entry in document["folds"]}
        return {fold: self._read(entries[fold]) for fold in folds}

    def _read(self, entry: dict[str, Any]) -> Architecture:
        # Scopes without fold groups have one search for all folds.
        index = 0 if self.scope not in ("per_group", "per_fold") else int(entry[self.scope.removeprefix("per_")])
        if index >= len(self.architectures):
            raise ContractError(
                f"fold {entry['fold']} needs architecture {index}, but there are {len(self.architectures)}"
            )
        path = self.architectures[index]
        if path.exists() and path.stat().st_size == 0:
            status = read_status(path.parent)
            if status["status"] == "ok":
                raise DataError(f"{path}: empty, though its search ended well; remove it and run again")
            raise ScienceError(f"search {path.parent.name} failed: {status.get('reason', '')}")
        return read_architecture(path)


@dataclass(frozen=True)
class TrainSpec:
    """What one shard trains.

    Attributes:
        method: the method's section of the configuration (recipe and recipe_options are read).
        searches: the searches that the folds' networks come from.
        shard: number of the shard, from 0: it holds the folds k with k mod shards = shard.
        shards: number of shards.
        origin: the run that the method starts from (`init_from`), or None.
    """

    method: MethodConfig
    searches: Searches
    shard: int = 0
    shards: int = 1
    origin: Origin | None = None


def read_origin(method: MethodConfig, models: Path, origin_folds: Path, folds: Path) -> Origin:
    """The run of `init_from`.

    Args:
        method: the method that starts from it.
        models: its models.safetensors.
        origin_folds: its folds.train.json, for its class names.
        folds: the folds.train.json of the method.
    """
    fold = (method.init_from.fold if method.init_from else None) or 0
    # of the same task and protocol: any other fold has learnt from the test subjects of this one
    own_fold = origin_folds.samefile(folds)
    return Origin(models, None if own_fold else fold, tuple(read_json(origin_folds)["classes"]))


def load_recipe(method: MethodConfig) -> tuple[RecipePlugin, Any]:
    """The method's recipe and its validated options."""
    plugin: RecipePlugin = plugins.load("training", method.recipe)
    where = f"recipe {method.recipe}: recipe_options"
    return plugin, validate_section(plugin.Config, method.recipe_options, where)


def run_training(job: JobInputs, spec: TrainSpec) -> str:
    """Train a shard of folds; writes models.safetensors, training.jsonl, cost.json, metrics.jsonl, status.json.

    A failed search among the architectures is a failed training.

    Returns:
        The status: ok or failed.
    """
    plugin, options = load_recipe(spec.method)

    def work(tools: JobTools) -> dict[str, Any]:
        document = job.read_folds()
        # dealt in turn: fold k belongs to shard k mod shards, as `predict` expects
        folds = list(range(spec.shard, len(document["folds"]), spec.shards))
        tasks = _fold_tasks(job, document, spec.searches.of_folds(document, folds))
        context = TrainContext(
            folds=tasks,
            classes=list(document["classes"]),
            options=options,
            seed=job.seed,
            threads=job.threads,
            device=job.device,
            checkpoint=tools.checkpoint,
            log=tools.log,
            out_dir=job.out_dir,
            origin=spec.origin,
        )
        write_json(job.out_dir / "cost.json", plugin.run(context))
        return {"folds": folds}

    return run_job(TRAINING, job, {"recipe": plugin.name, "shard": spec.shard, "shards": spec.shards}, work)


def _fold_tasks(
    job: JobInputs, document: dict[str, Any], architectures: dict[int, Architecture]
) -> tuple[FoldTask, ...]:
    inputs = job.read_inputs(list(document["classes"]))
    return tuple(
        FoldTask(
            fold=int(entry["fold"]),
            architecture=architectures[int(entry["fold"])],
            # the search is over, so its selection part may be learned from too
            train=inputs.part(list(entry["weights"]) + list(entry["selection"])),
            inner=inputs.part(list(entry["inner_validation"])),
        )
        for entry in document["folds"]
        if int(entry["fold"]) in architectures
    )
