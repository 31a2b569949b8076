"""What a job folder holds besides findings and models: what it is of, who works on a block, what happened."""

from napari_emgauss.io.jobs.description import JobDescription, read_description
from napari_emgauss.io.jobs.failures import Failure
from napari_emgauss.io.jobs.log import LogEntry, read_entries
from napari_emgauss.io.jobs.requests import Request, ask, is_asked, withdraw
from napari_emgauss.io.jobs.status import BlockState, JobStatus, JobWatch

__all__ = [
    "BlockState",
    "Failure",
    "JobDescription",
    "JobStatus",
    "JobWatch",
    "LogEntry",
    "Request",
    "ask",
    "is_asked",
    "read_description",
    "read_entries",
    "withdraw",
]
