"""Workers that a command was told to use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_emgauss.errors import BackendUnavailableError, ConfigError
from napari_emgauss.training import Engine, Progress, RunConfig

if TYPE_CHECKING:
    from napari_emgauss.methods.emgauss.train import MakeEngine


@contextmanager
def workers(
    n_workers: int | None, *, scheduler: str | None, cluster: str | None, job: Path | None, gpu: bool
) -> Iterator[MakeEngine]:
    """Yield what makes the engine that a command asks for: of this process, where it asks for no workers.

    Parameters
    ----------
    n_workers
        Processes on this machine, or submitted to ``cluster``.
    scheduler
        Address of a Dask scheduler.
    cluster
        Name of a queueing system.
    job
        Folder to work in.
    gpu
        Whether a block needs a GPU.

    Raises
    ------
    ConfigError
        Options that do not go together.
    BackendUnavailableError
        What they need is not installed, or does not answer.
    OutOfMemoryError
        So many workers do not fit on this machine.
    """
    if n_workers is None and scheduler is None and cluster is None:
        from napari_emgauss.training import LocalEngine

        yield LocalEngine
        return
    if scheduler is not None and (n_workers is not None or cluster is not None):
        raise ConfigError("--scheduler has workers of its own. Leave out --workers and --cluster.")
    if cluster is not None and n_workers is None:
        raise ConfigError(f"--cluster {cluster} needs a number of workers to submit: add --workers 8, for example.")
    if job is None:
        raise ConfigError("workers need a folder to work in, which all of them reach: add --checkpoint FOLDER.")
    try:
        from napari_emgauss.training.engines import clusters
        from napari_emgauss.training.engines.dask import DaskEngine
    except ImportError as error:
        raise BackendUnavailableError(
            f"several workers need dask.distributed, which is not installed ({error}). Install it: "
            "pip install 'napari-emgauss[cluster]'"
        ) from error
    resources = {clusters.GPU: 1} if gpu else None
    with ExitStack() as opened:
        if scheduler is not None:
            connected = opened.enter_context(clusters.scheduler_at(scheduler))
        elif cluster is not None:
            assert n_workers is not None
            connected = opened.enter_context(clusters.queued_cluster(cluster, n_workers))
        else:
            assert n_workers is not None
            clusters.check_workers(n_workers)
            clusters.worker_bytes(n_workers)  # asked again when they start, and better known before
            connected = None

        def make_engine(config: RunConfig | None, earlier: Progress | None) -> Engine:
            nonlocal connected
            if connected is None:  # processes of this machine would only wait, and take memory, before there are blocks
                assert n_workers is not None
                connected = opened.enter_context(clusters.local_cluster(n_workers, gpu=gpu))
            return DaskEngine(connected, config, earlier, resources=resources)

        yield make_engine
