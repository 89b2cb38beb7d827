"""Run one search from files to files: what the `search` rule and the command line call."""

import logging
from pathlib import Path
from typing import Any

from fernas.core import interrupt, plugins
from fernas.core.architecture import write_architecture
from fernas.core.budget import BudgetMeter
from fernas.core.checkpoint import CheckpointStore
from fernas.core.config import MethodConfig, validate_section
from fernas.core.errors import ConfigError, ContractError, ScienceError
from fernas.core.io import read_json, write_bytes, write_json, write_text
from fernas.core.run_log import RunLog
from fernas.search.context import PartSizes, SearchContext, SearchPlugin

logger = logging.getLogger(__name__)
OUTPUTS = ("architecture.json", "search.jsonl", "cell.svg", "cost.json", "metrics.jsonl", "status.json")


def parse_method(method: MethodConfig | dict[str, Any]) -> tuple[MethodConfig, SearchPlugin, Any]:
    """The method's section, its search plug-in and the validated search options."""
    if isinstance(method, dict):
        method = {name: value for name, value in method.items() if name != "budget_method"}
    config = method if isinstance(method, MethodConfig) else validate_section(MethodConfig, method, "method")
    plugin: SearchPlugin = plugins.load("search", config.search)
    options = validate_section(plugin.Config, config.search_options, f"search {config.search}: search_options")
    reason = plugin.skip(config.space)
    if reason:
        raise ConfigError(f"{config.search} cannot run on the space {config.space}: {reason}")
    return config, plugin, options


def scope_parts(document: dict[str, Any], scope: str, group: int) -> dict[str, list[str]]:
    """The parts of the training side on which a search of this scope and group works.

    `per_group`: the group's; `per_fold`: those of the fold `group`; `whole_dataset`: everything (leaks, labelled);
    `whole_matched`: a subsample of everything, by subject, of the size of the groups' pools (for the optimism gap);
    `published`: a dataset with an official split, halved by position as Auto-FERNet did (leaks, labelled);
    `no_data`: the first group's, for shapes only (the plug-in says that it reads no data).

    Raises:
        ContractError: there is no such group, fold or scope in the folds.
    """
    if scope == "whole_dataset":
        entry = document["whole"]
    elif scope == "whole_matched":
        entry = document["whole_matched"]
    elif scope == "published":
        if "published" not in document:
            raise ContractError("search scope 'published' halves a dataset by position; only the official split has it")
        entry = document["published"]
    elif scope == "no_data":
        entry = document["groups"][0]
    elif scope in ("per_group", "per_fold"):
        entries, key = (document["groups"], "group") if scope == "per_group" else (document["folds"], "fold")
        matching = [entry for entry in entries if entry[key] == group]
        if len(matching) != 1:
            raise ContractError(f"folds: no {key} {group} (known: {[entry[key] for entry in entries]})")
        entry = matching[0]
    else:
        raise ContractError(
            f"search scope {scope!r} is not served; expected per_group, per_fold, whole_dataset, whole_matched, "
            "published or no_data"
        )
    return {name: list(entry[name]) for name in ("weights", "selection", "inner_validation")}


def search_budget_macs(
    method: MethodConfig | dict[str, Any],
    classes: int,
    input_shape: tuple[int, int, int],
    sizes: PartSizes,
) -> float:
    """The multiply-accumulates that a method's search will spend on parts of these sizes, known before it runs.

    Raises:
        ConfigError: the method's budget is not known beforehand (it is itself limited by another's).
    """
    config, plugin, options = parse_method(method)
    if plugin.budget is None:
        raise ConfigError(f"search {config.search}: its budget is not known beforehand, so it cannot limit another one")
    return plugin.budget(options, config.space or "", config.network, classes, input_shape, sizes)


def search_budget_for(
    *,
    method: MethodConfig | dict[str, Any],
    inputs_npy: Path | str,
    folds_train_json: Path | str,
    scope: str,
    group: int,
) -> float:
    """As `search_budget_macs`, with the sizes read from the task's files."""
    from fernas.core.io import read_npy

    document = read_json(folds_train_json)
    parts = scope_parts(document, scope, group)
    _, height, width, channels = read_npy(inputs_npy, mmap=True).shape
    sizes = PartSizes(**{name: len(ids) for name, ids in parts.items()})
    return search_budget_macs(method, len(document["classes"]), (channels, height, width), sizes)


def run_search(
    *,
    inputs_npy: Path | str,
    inputs_table: Path | str,
    folds_train_json: Path | str,
    method: MethodConfig | dict[str, Any],
    scope: str,
    group: int,
    seed: int,
    out_dir: Path | str,
    work_dir: Path | str,
    run_key: str,
    threads: int = 1,
    device: str = "cpu",
    budget_macs: float | None = None,
    every_s: float = 60.0,
    info: dict[str, Any] | None = None,
    source: Path | None = None,
) -> str:
    """Search one architecture; writes architecture.json, search.jsonl, cell.svg, cost.json, metrics.jsonl, status.json.

    A failure of science (NaN, memory after the fallback, a broken contract) writes a failed status with its reason and
    empty outputs, and returns; I/O errors and errors in the configuration are raised. SIGTERM, SIGUSR1 and Ctrl-C end
    a search with `Interrupted` after its state is saved. A killed search continues from `work_dir`/`run_key` when it
    is called again.

    Args:
        inputs_npy: the view's array.
        inputs_table: its table.
        folds_train_json: the training sides of the protocol; test ids are in another file that is never read here.
        method: the method's section of the configuration; an entry `budget_method` (another method's section) limits
            this search to what that one's would spend on the same parts.
        scope: which training sides.
        group: number of the group (of the fold for `per_fold`).
        seed: the search seed's base.
        out_dir: where the outputs go.
        work_dir: where checkpoints go.
        run_key: the job's own folder there.
        threads: torch threads.
        device: auto, cpu or cuda.
        budget_macs: what may be spent, or None.
        every_s: longest time between two checkpoints.
        info: further entries of the status (parameters for tracking).
        source: the architecture of another run, for methods that start from one (`init_from`).

    Returns:
        The status: ok or failed.
    """
    config, plugin, options = parse_method(method)
    if budget_macs is None and isinstance(method, dict) and method.get("budget_method"):
        budget_macs = search_budget_for(
            method=method["budget_method"],
            inputs_npy=inputs_npy,
            folds_train_json=folds_train_json,
            scope=scope,
            group=group,
        )
    out = Path(out_dir)
    log = RunLog(out)
    log.start({"run_key": run_key, "search": config.search, "space": config.space, "seed": seed, **(info or {})})
    write_text(out / "search.jsonl", "")
    write_text(out / "metrics.jsonl", "")
    store = CheckpointStore(work_dir, run_key, every_s)
    try:
        context = _context(inputs_npy, inputs_table, folds_train_json, config, options, scope, group, seed)
        context.budget, context.checkpoint, context.log = BudgetMeter(budget_macs), store, log
        context.source = source
        if isinstance(method, dict) and method.get("budget_method"):
            context.reference = parse_method(method["budget_method"])[2]
        context.history_path, context.threads, context.device = out / "search.jsonl", threads, device
        with interrupt.graceful():
            architecture = plugin.run(context)
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
    from fernas.spaces.draw import draw_svg

    write_architecture(out / "architecture.json", architecture)
    write_text(out / "cell.svg", draw_svg(architecture))
    write_json(out / "cost.json", context.cost())
    log.finish("ok")
    store.clear()
    return "ok"


def _context(
    inputs_npy: Path | str,
    inputs_table: Path | str,
    folds_train_json: Path | str,
    config: MethodConfig,
    options: Any,
    scope: str,
    group: int,
    seed: int,
) -> SearchContext:
    from fernas.learn.arrays import Inputs

    document = read_json(folds_train_json)
    inputs = Inputs.read(inputs_npy, inputs_table, list(document["classes"]))
    parts = {name: inputs.part(ids) for name, ids in scope_parts(document, scope, group).items()}
    nowhere = Path()
    return SearchContext(
        space=config.space,
        weights=parts["weights"],
        selection=parts["selection"],
        inner_validation=parts["inner_validation"],
        classes=list(document["classes"]),
        input_shape=parts["weights"].input_shape,
        options=options,
        network=config.network,
        seed=seed,
        budget=BudgetMeter(),
        checkpoint=CheckpointStore(nowhere, ""),
        log=RunLog(nowhere),
        history_path=nowhere,
        recipe=config.recipe,
        recipe_options=dict(config.recipe_options),
    )


def _failed(out: Path, log: RunLog, reason: str) -> str:
    logger.error("search failed: %s", reason)
    for name in ("architecture.json", "cell.svg", "cost.json"):
        write_bytes(out / name, b"")
    log.finish("failed", reason)
    return "failed"
