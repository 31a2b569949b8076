"""Commands of the program as processes that can be watched and killed, and the workers that serve them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from napari_emgauss.io.jobs import LogEntry, read_entries

PATIENCE_S = 1800.0
"""Nothing here takes so long, on a busy machine neither."""
LOOK_EVERY_S = 0.02
ROOT = Path(__file__).resolve().parents[2]
"""Of the repository."""


class Commands:
    """Commands of the program in a folder, each in a session of its own.

    Parameters
    ----------
    folder
        Where they run.
    first
        Lines of Python that every process of theirs runs first, workers included.
    """

    def __init__(self, folder: Path, first: str = "") -> None:
        self.folder, self.main = folder, folder / "main.py"
        self.main.write_text(
            # Ctrl-C is for the command, not for what is imported before it.
            "import signal\nimport sys\n\nbefore = signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
            f"from napari_emgauss.cli import main\n{first}\nsignal.signal(signal.SIGINT, before)\n"
            "if __name__ == '__main__':\n    sys.exit(main(sys.argv[1:]))\n"
        )
        self._n_started = 0

    def start(self, *arguments: str) -> Running:
        """Start a command."""
        return self._started([sys.executable, str(self.main), *arguments])

    def run(self, *arguments: str) -> Running:
        """Run a command to its end."""
        running = self.start(*arguments)
        running.process.wait(PATIENCE_S)
        return running

    def scheduler(self) -> tuple[Running, str]:
        """Start a scheduler; return it with its address."""
        running = self._started(
            [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0",
             "--no-dashboard"]
        )  # fmt: skip
        wait_until(lambda: re.search(r"Scheduler at:\s+(tcp://\S+)", running.said()) is not None)
        found = re.search(r"Scheduler at:\s+(tcp://\S+)", running.said())
        assert found is not None
        return running, found[1]

    def worker(self, address: str, memory: str = "0") -> Running:
        """Start a worker with a nanny, which replaces it when it dies, for instance of more than ``memory``."""
        return self._started(
            [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--memory-limit", memory,
             "--no-dashboard", "--local-directory", str(self.folder), "--preload", str(self.main)]
        )  # fmt: skip

    def _started(self, command: list[str]) -> Running:
        self._n_started += 1
        path = self.folder / f"output-{self._n_started}.txt"
        # They run elsewhere, and are to find the benchmarks too.
        places = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(places)}
        with path.open("w") as output:
            process = subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, env=environment,
                start_new_session=True,
            )  # fmt: skip
        return Running(process, path)


class Running:
    """A process that was started, with what it says."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process, self._output = process, output

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.process.poll() is None

    def said(self) -> str:
        """Return what it said so far."""
        return self._output.read_text(errors="replace")

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return self.process.wait(PATIENCE_S)

    def workers(self) -> list[psutil.Process]:
        """Return the processes that train for it."""
        try:
            children = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []
        return [child for child in children if "spawn_main" in " ".join(_words(child))]

    def kill(self) -> None:
        """Kill it, and nothing else."""
        self.process.kill()
        self.process.wait()

    def kill_all(self) -> None:
        """Kill it with its workers, as a machine does that is switched off."""
        processes = self.workers()
        self.process.kill()
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self.process.wait()

    def interrupt(self) -> None:
        """Press Ctrl-C, which reaches its workers too."""
        os.killpg(self.process.pid, signal.SIGINT)


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def wait_until(condition: Callable[[], bool], seconds: float = PATIENCE_S) -> None:
    """Wait for something; raise ``TimeoutError`` where it does not come."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("it did not happen")
        time.sleep(LOOK_EVERY_S)


def entries(job: Path, *what: str) -> list[LogEntry]:
    """Return the entries of a job's log, of these kinds if any are named."""
    return [entry for entry, _ in read_entries(job) if not what or entry.what in what]


def done_twice(job: Path) -> list[int | None]:
    """Return the blocks that were trained to their end more than once."""
    return [block for block, n in Counter(entry.block for entry in entries(job, "done")).items() if n > 1]
