"""What a job folder holds besides findings and models: what it is of, who works on it, what happened, and where."""

from napari_emgauss.io.jobs.description import JobDescription, read_description
from napari_emgauss.io.jobs.failures import Failure, forget_failures
from napari_emgauss.io.jobs.grid import BlockGrid
from napari_emgauss.io.jobs.log import LogEntry, read_entries
from napari_emgauss.io.jobs.process import JobProcess, last_error, process_in
from napari_emgauss.io.jobs.requests import Request, ask, is_asked, withdraw
from napari_emgauss.io.jobs.status import BlockState, JobState, JobStatus, JobWatch

__all__ = [
    "BlockGrid",
    "BlockState",
    "Failure",
    "JobDescription",
    "JobProcess",
    "JobState",
    "JobStatus",
    "JobWatch",
    "LogEntry",
    "Request",
    "ask",
    "forget_failures",
    "is_asked",
    "last_error",
    "process_in",
    "read_description",
    "read_entries",
    "withdraw",
]
