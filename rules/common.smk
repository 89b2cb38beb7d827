# What all rules share: the checked study, the patterns of its files, wildcard constraints.
from pathlib import Path

from fernas.workflow import handlers, inputs, params, start, targets
from fernas.workflow.digest import code_digest, recorded_digest
from fernas.workflow.patterns import CONSTRAINTS, Patterns

CONFIG_FILES = workflow.config_settings.configfiles or ["config.yaml"]
study = start.checked(config, CONFIG_FILES)
layout = study.layout
paths = Patterns(layout)
if workflow.is_main_process and start.will_run():
    start.take_over(study)


container: None


wildcard_constraints:
    **CONSTRAINTS,


def code(rule, wildcards, *modules):
    """The code digest of a job: of its script, of modules, and of what these import.

    Where the config says frozen, it is the one that the job's result was made under.
    """
    if study.config.code_digest == "frozen":
        recorded = recorded_digest(workflow.persistence.params(rule.output[0].apply_wildcards(wildcards)))
        if recorded is not None:
            return recorded
    script = workflow.sourcecache.get_path(rule.rule.basedir.join(rule.rule.script))
    return code_digest(*modules, script=Path(script))


def how_to_run(wildcards, threads):
    """How jobs run. Snakemake compares no param whose function asks for `threads`, so a change reruns nothing."""
    return params.run_section(study)


def whole_config(wildcards, threads):
    """The config as it is, for scripts that need most of it; `results_config` is what is compared, see `how_to_run`."""
    return study.config.model_dump(mode="json")


def section(name):
    """A section of the config, for params."""
    return getattr(study.config, name).model_dump(mode="json")


def memory(wildcards, attempt):
    """The memory of a job of a method: what the config says, twice as much after a failure."""
    return study.methods[wildcards.method].mem_mb * min(attempt, 2)
