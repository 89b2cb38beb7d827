# What all rules share: the checked config, wildcard constraints, and thin wrappers around fernas.core.grid.
from fernas.core import grid, left_over, plugins, workflow as steps
from fernas.core.digest import code_digest
from fernas.workflow import start

STUDY = start.checked(config, workflow.config_settings.configfiles or ["config.yaml"])
CONFIG = STUDY.config
RESULTS = CONFIG.results
start.check_writable(STUDY)
if workflow.is_main_process:
    left_over.clear_stale_lock(RESULTS)
    left_over.date_future_files(RESULTS)


container: None


wildcard_constraints:
    dataset="[a-z0-9_]+",
    data="[a-z0-9_]+(-rendered)?",
    task="[a-z0-9_-]+",
    view="[a-z0-9_-]+",
    protocol="[a-z0-9_-]+",
    method="[a-z0-9_]+",
    scope="per_group|per_fold|whole_dataset|whole_matched|published|no_data",
    ss="[0-9]+",
    ts="[0-9]+",
    g="[0-9]+",
    shard="[0-9]+",


def code(*modules):
    """The code digest of a rule; one fixed word when the config says frozen."""
    return "frozen" if CONFIG.code_digest == "frozen" else code_digest(*modules)


def all_targets():
    """The files of the whole study."""
    return steps.all_targets(CONFIG)


def workflow_started():
    """Start the mirror that follows the results into MLflow."""
    steps.started(CONFIG, workflow.config_settings.configfiles or ["config.yaml"])


def workflow_ended(status, logs=()):
    """Let the mirror finish and say where the results are."""
    steps.ended(CONFIG, status, logs)
