"""Processor time and memory of a command and its workers."""

from __future__ import annotations

import time
from pathlib import Path

import psutil

from benchmarks.jobs.commands import Running

SAMPLE_EVERY_S = 0.1


class Used:
    """Processor time and memory that a command and its workers have used."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._cpu_s: dict[int, float] = {}
        self._peak_kib: dict[int, int] = {}
        self._samples: list[tuple[float, float]] = [(time.time(), 0.0)]

    def until_the_end(self) -> float:
        """Look at all processes until the command ends; return when it did, in seconds since 1970."""
        while self._running.is_running:
            self.sample()
            time.sleep(SAMPLE_EVERY_S)
        return time.time()

    def sample(self) -> None:
        """Look at all processes."""
        for process in self._processes():
            try:
                times = process.cpu_times()
                status = Path(f"/proc/{process.pid}/status").read_text()
            except (psutil.Error, OSError):
                continue
            self._cpu_s[process.pid] = times.user + times.system
            peaks = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM:")]
            self._peak_kib[process.pid] = max([self._peak_kib.get(process.pid, 0), *peaks])
        self._samples.append((time.time(), sum(self._cpu_s.values())))

    def _processes(self) -> list[psutil.Process]:
        try:
            own = psutil.Process(self._running.process.pid)
            return [own, *own.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def until(self, moment: float) -> float:
        """Return the processor time that was used until a moment, in seconds."""
        return max(cpu_s for at, cpu_s in self._samples if at <= max(moment, self._samples[0][0]))

    def largest_mib(self, *, workers: bool) -> float:
        """Return the peak of the largest worker, or of the command itself."""
        own = self._running.process.pid
        return max((kib for pid, kib in self._peak_kib.items() if (pid != own) is workers), default=0) / 1024
