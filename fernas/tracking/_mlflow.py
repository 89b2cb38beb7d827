"""The only module that imports mlflow: a small store of runs over its client. No tracing, no telemetry, few retries."""

import logging
import os
from pathlib import Path
from typing import Any

for _name, _value in (
    ("MLFLOW_DISABLE_TELEMETRY", "true"),
    ("DO_NOT_TRACK", "true"),
    ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1"),
    ("MLFLOW_HTTP_REQUEST_TIMEOUT", "10"),
):
    os.environ.setdefault(_name, _value)  # mlflow reads these when it is imported and at each request

from mlflow import MlflowClient  # noqa: E402  (after the environment is set)
from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from requests.exceptions import RequestException  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from fernas.tracking.store import Change, StoredRun, StoreError  # noqa: E402

logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # a StoreError says the same in one line
KIND = {"mlflow.experimentKind": "custom_model_development"}  # the page opens with runs and charts, not with traces
BATCH = 500  # metrics per call; a store takes 1000, and 100 params or tags


_opened: dict[str, tuple[int, ...]] = {}


def fresh_uri(uri: str) -> str:
    """The uri of a database file, spelled differently each time the file was replaced since this process opened it.

    MLflow keeps its connections by uri for the life of a process, so it would go on writing into a deleted database.
    """
    if not uri.startswith("sqlite:///"):
        return uri
    path = Path(uri.removeprefix("sqlite:///"))
    inodes = _opened.get(uri, ())
    inode = path.stat().st_ino if path.exists() else -1
    if not inodes or inodes[-1] != inode:
        if inode < 0:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            inode = path.stat().st_ino
        inodes = _opened[uri] = (*inodes, inode)
    return f"sqlite:///{path.parent}/{'./' * (len(inodes) - 1)}{path.name}"


class Store:
    """Runs in an MLflow store.

    Args:
        uri: `sqlite:///...` or `http(s)://...`.
        artifacts: folder for artefacts, or None where the server stores them.
    """

    def __init__(self, uri: str, artifacts: Path | None) -> None:
        self.artifacts = artifacts
        self._client = self._guarded(lambda: MlflowClient(tracking_uri=fresh_uri(uri)))

    def experiment(self, name: str) -> str:
        """The id of an experiment, created or restored when needed."""
        experiment = self._guarded(self._client.get_experiment_by_name, name)
        if experiment is None:
            folder = self.artifacts / name.replace("/", "-") if self.artifacts else None
            location = folder.absolute().as_uri() if folder else None
            return str(self._guarded(self._client.create_experiment, name, artifact_location=location, tags=KIND))
        if experiment.lifecycle_stage != "active":
            self._guarded(self._client.restore_experiment, experiment.experiment_id)
        return str(experiment.experiment_id)

    def runs(self, experiment_id: str) -> list[StoredRun]:
        """All runs of an experiment, oldest first."""
        runs: list[StoredRun] = []
        token = None
        while True:
            page = self._guarded(
                self._client.search_runs,
                [experiment_id],
                run_view_type=ViewType.ACTIVE_ONLY,
                max_results=500,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            runs += [
                StoredRun(run.info.run_id, run.info.status, dict(run.data.tags), dict(run.data.params)) for run in page
            ]
            token = page.token
            if not token:
                return runs

    def create(self, experiment_id: str, name: str, start_ms: int, tags: dict[str, str]) -> StoredRun:
        """A new run in state RUNNING."""
        run = self._guarded(self._client.create_run, experiment_id, start_time=start_ms, tags=tags, run_name=name)
        return StoredRun(run.info.run_id, "RUNNING", dict(tags), {})

    def add(self, run: StoredRun, change: Change) -> None:
        """Add metrics, params and tags; a metric that is there already stays one metric."""
        metrics = [Metric(point.name, point.value, point.time_ms, point.step) for point in change.points]
        params = [Param(key, value) for key, value in change.params.items() if key not in run.params]
        tags = [RunTag(key, value) for key, value in change.tags.items() if run.tags.get(key) != value]
        while metrics or params:
            self._guarded(
                self._client.log_batch, run.run_id, metrics=metrics[:BATCH], params=params[:90], synchronous=True
            )
            metrics, params = metrics[BATCH:], params[90:]
        if tags:  # last, since tags say how far the mirror came
            self._guarded(self._client.log_batch, run.run_id, tags=tags, synchronous=True)
        run.params.update(change.params)
        run.tags.update(change.tags)

    def artefact(self, run: StoredRun, file: Path, folder: str | None = None) -> None:
        """Upload one file."""
        self._guarded(self._client.log_artifact, run.run_id, str(file), artifact_path=folder)

    def end(self, run: StoredRun, status: str, end_ms: int | None) -> None:
        """Set the status: RUNNING reopens a run, any other one ends it."""
        if run.status == status:
            return
        if status == "RUNNING":
            self._guarded(self._client.update_run, run.run_id, status="RUNNING")
        else:
            self._guarded(self._client.set_terminated, run.run_id, status=status, end_time=end_ms)
        run.status = status

    def withdraw(self, run: StoredRun) -> None:
        """Delete a run (MLflow keeps it in its list of deleted ones)."""
        self._guarded(self._client.delete_run, run.run_id)

    @staticmethod
    def _guarded(call: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except (MlflowException, RequestException, SQLAlchemyError, OSError) as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            raise StoreError(lines[0][:300]) from error


def flask_application(store: Path) -> Any:
    """MLflow's WSGI application over a SQLite store: its page and the interface that the page reads.

    The routes of its server beside it (assistant, gateway, jobs) belong to another application, which is not served.
    """
    os.environ["_MLFLOW_SERVER_FILE_STORE"] = f"sqlite:///{store}"
    from mlflow.server import app

    return app
