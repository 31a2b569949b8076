"""Clusters to run a job on: processes of this machine, a scheduler's address, or a queueing system.

Needs dask.distributed, which ``pip install "napari-emgauss[cluster]"`` brings.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from multiprocessing import resource_tracker
from typing import Literal, get_args

import dask
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.utils import silence_logging_cmgr

from napari_emgauss.errors import BackendUnavailableError, ConfigError, OutOfMemoryError
from napari_emgauss.runtime.memory import free_bytes, give_back_freed, process_limit_bytes, shared_bytes
from napari_emgauss.runtime.threads import set_threads, usable_cores
from napari_emgauss.units import format_bytes

QueueName = Literal["slurm", "pbs", "sge", "lsf", "htcondor", "oar", "moab"]
_CLUSTERS = {"htcondor": "HTCondorCluster", "moab": "MoabCluster"}
GPU = "GPU"
"""Resource of workers that have a GPU."""
MEMORY_SHARE = 0.9
"""Workers of this machine may take this share of what is available, together."""
LEAST_WORKER_BYTES = 400 * 2**20
"""Less than this is too little for any block: libraries take half of it."""
MOST_WORKERS = 4096
START_TIMEOUT_S = 60
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class WorkerShare(WorkerPlugin):
    """Set-up of a worker process on this machine: its share of the cores, and deaf to the terminal's signals.

    Ctrl-C goes to all processes of a terminal: it is the client that stops them, so that they keep what they learned.
    """

    name = "napari-emgauss"

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads

    def setup(self, worker: Worker) -> None:
        """Apply it in a worker's process."""
        set_threads(self.n_threads)
        for name in ("SIGINT", "SIGHUP"):
            if hasattr(signal, name):  # Windows has no SIGHUP
                signal.signal(getattr(signal, name), signal.SIG_IGN)


@contextmanager
def local_cluster(n_workers: int, *, memory_bytes: int | None = None, gpu: bool = False) -> Iterator[Client]:
    """Start ``n_workers`` processes on this machine, each bounded to its share of cores and memory.

    Parameters
    ----------
    n_workers
        Processes.
    memory_bytes
        Memory of a worker, which is ended and replaced when it takes more; its share of what is free by default.
    gpu
        Whether each offers the resource `GPU`.

    Raises
    ------
    ConfigError
        An impossible number of workers.
    OutOfMemoryError
        So many do not fit.
    """
    check_workers(n_workers)
    give_back_freed()
    # What Dask counts includes what workers share with this process.
    limit = memory_bytes or worker_bytes(n_workers) + shared_bytes()
    n_threads = max(1, usable_cores() // n_workers)
    environment = {**dict.fromkeys(_THREAD_VARIABLES, str(n_threads)), "MALLOC_TRIM_THRESHOLD_": "65536"}
    with (
        tempfile.TemporaryDirectory(prefix="napari-emgauss-") as scratch,
        dask.config.set(
            {
                "distributed.nanny.pre-spawn-environ": environment,
                "distributed.worker.profile.enabled": False,
                # What a worker holds is libraries: it would be given no block as long as it holds them.
                "distributed.worker.memory.pause": False,
            }
        ),
        _deaf_to_the_terminal(
            partial(
                LocalCluster,
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                memory_limit=limit,
                local_directory=scratch,
                resources={GPU: 1} if gpu else None,
                silence_logs="CRITICAL",
            )
        ) as cluster,
        Client(cluster, set_as_default=False, timeout=START_TIMEOUT_S) as client,
    ):
        client.register_plugin(WorkerShare(n_threads))
        yield client


def worker_bytes(n_workers: int) -> int:
    """Return the memory that each of ``n_workers`` processes of this machine may take: its share of what is free.

    Raises
    ------
    OutOfMemoryError
        That is too little to train any block: Dask would end and replace them again and again.
    """
    free = free_bytes()
    share = min(int(MEMORY_SHARE * free / n_workers), process_limit_bytes())
    if share < LEAST_WORKER_BYTES:
        raise OutOfMemoryError(
            f"each of {n_workers} workers may take {format_bytes(share)} of memory, and needs at least "
            f"{format_bytes(LEAST_WORKER_BYTES)}; {format_bytes(free)} are free. "
            f"{'Use fewer, or give' if n_workers > 1 else 'Give'} more memory."
        )
    return share


def _deaf_to_the_terminal(start: Callable[[], LocalCluster]) -> LocalCluster:
    """Start processes that never hear Ctrl-C, not even while they start; this one hears it when they have started."""
    if sys.platform == "win32":
        return start()
    resource_tracker.ensure_running()  # whoever starts it first would lift the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        return start()  # its thread inherits the mask, and so do the processes that it starts, now and later
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_workers_anew(client: Client) -> bool:
    """Start all processes of a cluster of this machine again, where none is left; False if it is another cluster.

    Dask replaces a worker that dies at work, but not one that dies while it starts.
    """
    cluster = client.cluster
    if not isinstance(cluster, LocalCluster):
        return False
    n_workers = len(cluster.worker_spec)
    cluster.scale(0)
    cluster.scale(n_workers)
    return True


@contextmanager
def scheduler_at(address: str) -> Iterator[Client]:
    """Connect to a scheduler, like ``tcp://node:8786``; its workers must reach the job's folder and the stack.

    Raises
    ------
    BackendUnavailableError
        Nothing answers.
    """
    try:
        client = Client(address, set_as_default=False, timeout=START_TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise BackendUnavailableError(
            f"no scheduler answers at {address} ({error}). Start one by `dask scheduler`, and give the address that it "
            "prints."
        ) from error
    # Dask would log how it fails to reach a scheduler that goes: what matters is said once, by the engine.
    with silence_logging_cmgr("CRITICAL"), client:
        yield client


@contextmanager
def queued_cluster(name: str, n_workers: int) -> Iterator[Client]:
    """Submit ``n_workers`` workers to a queueing system by dask-jobqueue, with the resources that its settings name.

    Raises
    ------
    ConfigError
        An unknown system, an impossible number, or settings that dask-jobqueue refuses.
    BackendUnavailableError
        dask-jobqueue is not installed.
    """
    check_workers(n_workers)
    if name not in get_args(QueueName):
        raise ConfigError(f"cluster must be one of {', '.join(get_args(QueueName))}, got {name!r}.")
    try:
        jobqueue = import_module("dask_jobqueue")
    except ImportError as error:
        raise BackendUnavailableError(
            f"workers are submitted to {name} by dask-jobqueue, which is not installed. Install it: "
            "pip install dask-jobqueue"
        ) from error
    # No page for all to see, nor a port that two commands on one machine would both want, unless it is asked for.
    options = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
    options |= dask.config.get(f"jobqueue.{name}.scheduler-options", None) or {}
    try:
        cluster = getattr(jobqueue, _CLUSTERS.get(name, f"{name.upper()}Cluster"))(scheduler_options=options)
    except ValueError as error:
        raise ConfigError(
            f"dask-jobqueue cannot submit workers to {name}: {error} Set cores, memory and walltime in "
            "~/.config/dask/jobqueue.yaml."
        ) from error
    with cluster, Client(cluster, set_as_default=False, timeout=START_TIMEOUT_S) as client:
        cluster.scale(jobs=n_workers)
        yield client


def check_workers(n_workers: int) -> None:
    """Raise `ConfigError` for an impossible number of workers."""
    if not 1 <= n_workers <= MOST_WORKERS:
        raise ConfigError(f"workers must be within 1..{MOST_WORKERS}, got {n_workers}.")
