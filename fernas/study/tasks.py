"""The tasks of a study: their samples, views and folds."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fernas.core.config import TaskConfig
from fernas.study.datasets import Dataset
from fernas.study.layout import FoldsFolder, InputsFolder, TaskFolder, folder_name

if TYPE_CHECKING:
    from fernas.study.study import Study


@dataclass(frozen=True)
class Task:
    """A task of the config: dataset + class set + frame rule.

    Attributes:
        study: the study that it belongs to.
        name: its name in the config.
        section: its section of the config.
    """

    # not compared and not printed: the study holds its tasks, and so this one again
    study: "Study" = field(repr=False, compare=False)
    name: str
    section: TaskConfig = field(repr=False)

    @property
    def dataset(self) -> Dataset:
        """Its dataset."""
        return self.study.datasets[self.section.dataset]

    @property
    def is_rendered(self) -> bool:
        """Whether its faces are synthetic."""
        return self.dataset.is_rendered

    @property
    def folder(self) -> str:
        """Its folder name under results/tasks and results/runs."""
        return folder_name(self.name, self.is_rendered)

    @property
    def files(self) -> TaskFolder:
        """Its folder."""
        return self.study.layout.task(self.folder)

    def view_of(self, method: str) -> str:
        """The view that a method's networks see: that of the method, or that of the task."""
        return self.study.methods[method].view or self.section.view

    def inputs(self, method: str | None = None) -> InputsFolder:
        """Its inputs in the view of a method, or in the view of the task."""
        return self.files.inputs(self.section.view if method is None else self.view_of(method))

    def folds(self, protocol: str) -> FoldsFolder:
        """Its folds under a protocol."""
        return self.files.folds(protocol)
