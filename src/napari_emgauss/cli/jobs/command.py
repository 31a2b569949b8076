"""``napari-emgauss job``: look at a job folder, work on it, stop it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tyro.conf import Positional


@dataclass(frozen=True, kw_only=True)
class JobCommand:
    """Show how far a half-done training is, wherever it runs; work on its blocks; stop or pause it.

    Its folder is what reconstruct was given as --checkpoint.
    """

    folder: Positional[Path]
    """The job's folder."""
    work: bool = False
    """Train blocks that nobody works on until none is left: any number of such processes, on any machine that reaches
    the folder and the stack, share them."""
    retry: bool = False
    """Forget what failed, so that it is tried again."""
    stop: bool = False
    """Ask everybody who works on it to stop, and to keep what was learned."""
    pause: bool = False
    """Ask workers to pause until --resume."""
    resume: bool = False
    """Take back --stop and --pause."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Do what is asked for, and print how far the job is; 1 if blocks have failed."""
        from napari_emgauss.cli.display import plain_console
        from napari_emgauss.cli.jobs.display import line, summary
        from napari_emgauss.io.jobs import BlockState, JobWatch, Request, ask, withdraw
        from napari_emgauss.io.jobs.failures import forget_failures

        console = plain_console()
        watch = JobWatch(self.folder)
        if self.retry:
            forget_failures(self.folder)
        if self.resume or self.work:
            withdraw(self.folder)
        for wanted, request in ((self.stop, Request.STOP), (self.pause, Request.PAUSE)):
            if wanted:
                ask(self.folder, request)
        if self.work:
            self._work(watch.description.method)
        status = watch.look()
        if not status.states:
            console.print("The sections are still examined: the blocks are not planned yet.")
            return 0
        console.print(line(status))
        for text in summary(status):
            console.print(text)
        return int(status.count(BlockState.FAILED) > 0)

    def _work(self, method: str) -> None:
        from napari_emgauss.errors import ConfigError
        from napari_emgauss.methods.emgauss.job import EmgaussJob
        from napari_emgauss.methods.emgauss.reconstruction import METHOD
        from napari_emgauss.training.engines.tasks import work_on

        if method != METHOD:
            raise ConfigError(f"a job of {method} is worked on by one process. Run the command that began it again.")
        work_on(EmgaussJob.opener, self.folder.absolute())
