"""A study as everything else sees it: its datasets, tasks and runs, where results lie, and the checks of its config.

May import `core` only; plug-ins are loaded by name. The only room that loads plug-ins in order to check a config.
"""

from fernas.study.datasets import Dataset
from fernas.study.layout import ResultsLayout
from fernas.study.runs import Repetition, Run
from fernas.study.study import Study
from fernas.study.tasks import Task

__all__ = ["Dataset", "Repetition", "ResultsLayout", "Run", "Study", "Task"]
