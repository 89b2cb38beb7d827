"""Train the folds of one shard from files to files: what the `train` rule calls."""

import logging
from pathlib import Path
from typing import Any

from fernas.core import interrupt, plugins
from fernas.core.architecture import Architecture, read_architecture
from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import MethodConfig, validate_section
from fernas.core.errors import ContractError, DataError, ScienceError
from fernas.core.io import read_json, write_bytes, write_json, write_text
from fernas.core.run_log import RunLog, read_status
from fernas.training.context import FoldTask, RecipePlugin, TrainContext

logger = logging.getLogger(__name__)
OUTPUTS = ("models.safetensors", "training.jsonl", "cost.json", "metrics.jsonl", "status.json")


def parse_recipe(method: MethodConfig | dict[str, Any]) -> tuple[RecipePlugin, Any]:
    """The method's recipe and its validated options."""
    section = method.model_dump() if isinstance(method, MethodConfig) else method
    name = section.get("recipe", "plain")
    plugin: RecipePlugin = plugins.load("training", name)
    return plugin, validate_section(plugin.Config, section.get("recipe_options", {}), f"recipe {name}: recipe_options")


def shard_folds(folds: int, shards: int, shard: int) -> list[int]:
    """The folds k with k mod shards = shard."""
    return [k for k in range(folds) if k % shards == shard]


def architecture_index(entry: dict[str, Any], scope: str) -> int:
    """Which of a run's architectures a fold uses: its group's, its own (`per_fold`), or the only one."""
    if scope == "per_group":
        return int(entry["group"])
    return int(entry["fold"]) if scope == "per_fold" else 0


def fold_architectures(
    document: dict[str, Any], folds: list[int], paths: list[Path], scope: str
) -> dict[int, Architecture]:
    """The architecture of each given fold.

    Raises:
        ScienceError: the search of one of them failed (its file is empty); the reason is that of the search.
        ContractError: there is no architecture for a fold.
    """
    entries = {int(entry["fold"]): entry for entry in document["folds"]}
    found: dict[int, Architecture] = {}
    for fold in folds:
        index = architecture_index(entries[fold], scope)
        if index >= len(paths):
            raise ContractError(f"fold {fold} needs architecture {index}, but there are {len(paths)}")
        path = Path(paths[index])
        if path.exists() and path.stat().st_size == 0:
            status = read_status(path.parent)
            if status["status"] == "ok":
                raise DataError(f"{path}: empty, though its search ended well; remove it and run again")
            raise ScienceError(f"search {path.parent.name} failed: {status.get('reason', '')}")
        found[fold] = read_architecture(path)
    return found


def run_training(
    *,
    inputs_npy: Path | str,
    inputs_table: Path | str,
    folds_train_json: Path | str,
    architectures: list[Path],
    method: MethodConfig | dict[str, Any],
    seed: int,
    shard: int,
    shards: int,
    out_dir: Path | str,
    work_dir: Path | str,
    run_key: str,
    scope: str = "per_group",
    threads: int = 1,
    device: str = "cpu",
    every_s: float = 60.0,
    info: dict[str, Any] | None = None,
    source: tuple[Path, Path] | None = None,
) -> str:
    """Train a shard of folds; writes models.safetensors, training.jsonl, cost.json, metrics.jsonl, status.json.

    Weights and selection parts together are the training set; inner validation may choose the epoch; test ids are in
    a file that is never read here. A failure of science writes a failed status with its reason and empty outputs, and
    returns; so does a failed search among the architectures. SIGTERM, SIGUSR1 and Ctrl-C end a training with
    `Interrupted` after its state is saved; a killed training continues from `work_dir`/`run_key`.

    Args:
        inputs_npy: the view's array.
        inputs_table: its table.
        folds_train_json: the training sides.
        architectures: architecture files in the order of the groups (of the folds for scope `per_fold`).
        method: the method's section of the configuration (recipe and recipe_options are read).
        seed: the training seed's base.
        shard: number of the shard: it holds the folds k with k mod shards = shard.
        shards: number of shards.
        out_dir: where the outputs go.
        work_dir: where checkpoints go.
        run_key: the job's own folder there.
        scope: scope of the searches.
        threads: torch threads.
        device: auto, cpu or cuda.
        every_s: longest time between two checkpoints.
        info: further entries of the status.
        source: models.safetensors and folds.train.json of the run that the method starts from (`init_from`).

    Returns:
        The status: ok or failed.
    """
    plugin, options = parse_recipe(method)
    out = Path(out_dir)
    log = RunLog(out)
    log.start(
        {"run_key": run_key, "recipe": plugin.name, "seed": seed, "shard": shard, "shards": shards, **(info or {})}
    )
    write_text(out / "training.jsonl", "")
    write_text(out / "metrics.jsonl", "")
    try:
        document = read_json(folds_train_json)
        folds = shard_folds(len(document["folds"]), shards, shard)
        found = fold_architectures(document, folds, [Path(path) for path in architectures], scope)
        context = _context(inputs_npy, inputs_table, document, found, options, seed)
        context.checkpoint = CheckpointStore(work_dir, run_key, every_s)
        context.log, context.models_path, context.history_path = log, out / "models.safetensors", out / "training.jsonl"
        context.threads, context.device = threads, device
        if source is not None:
            section = method.model_dump() if isinstance(method, MethodConfig) else method
            context.init_from, context.init_fold = Path(source[0]), int((section.get("init_from") or {}).get("fold", 0))
            context.init_classes = list(read_json(source[1])["classes"])
        with interrupt.graceful():
            plugin.run(context)
    except interrupt.Interrupted as stop:
        log.finish("killed", str(stop))
        raise
    except (ScienceError, ContractError) as error:
        return _failed(out, log, str(error))
    except (RuntimeError, MemoryError) as error:
        from fernas.learn.runtime import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        return _failed(out, log, f"out of memory: {error}")
    write_json(out / "cost.json", context.cost)
    log.finish("ok", folds=folds)
    context.checkpoint.clear()
    return "ok"


def _context(
    inputs_npy: Path | str,
    inputs_table: Path | str,
    document: dict[str, Any],
    found: dict[int, Architecture],
    options: Any,
    seed: int,
) -> TrainContext:
    from fernas.learn.arrays import Inputs

    classes = list(document["classes"])
    inputs = Inputs.read(inputs_npy, inputs_table, classes)
    folds = [
        FoldTask(
            fold=int(entry["fold"]),
            architecture=found[int(entry["fold"])],
            train=inputs.part(list(entry["weights"]) + list(entry["selection"])),
            inner=inputs.part(list(entry["inner_validation"])),
        )
        for entry in document["folds"]
        if int(entry["fold"]) in found
    ]
    nowhere = Path()
    _, height, width, channels = inputs.images.shape
    return TrainContext(
        folds=folds,
        classes=classes,
        input_shape=(channels, height, width),
        options=options,
        seed=seed,
        checkpoint=CheckpointStore(nowhere, ""),
        log=RunLog(nowhere),
        models_path=nowhere,
        history_path=nowhere,
    )


def _failed(out: Path, log: RunLog, reason: str) -> str:
    logger.error("training failed: %s", reason)
    for name in ("models.safetensors", "cost.json"):
        write_bytes(out / name, b"")
    log.finish("failed", reason)
    return "failed"
