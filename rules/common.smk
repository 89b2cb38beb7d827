# What all rules share: the checked study, the patterns of its files, wildcard constraints.
from fernas.workflow import handlers, inputs, params, stale, start, targets
from fernas.workflow.digest import code_digest
from fernas.workflow.patterns import CONSTRAINTS, Patterns

CONFIG_FILES = workflow.config_settings.configfiles or ["config.yaml"]
study = start.checked(config, CONFIG_FILES)
layout = study.layout
paths = Patterns(layout)
start.check_writable(study)
if workflow.is_main_process:
    stale.clear_stale_lock(layout)
    stale.date_future_files(layout)


container: None


wildcard_constraints:
    **CONSTRAINTS,


def code(*modules):
    """The code digest of a rule; one fixed word when the config says frozen."""
    return "frozen" if study.config.code_digest == "frozen" else code_digest(*modules)


def section(name):
    """A section of the config, for params."""
    return getattr(study.config, name).model_dump(mode="json")


def memory(wildcards, attempt):
    """The memory of a job of a method: what the config says, twice as much after a failure."""
    return study.methods[wildcards.method].mem_mb * min(attempt, 2)
