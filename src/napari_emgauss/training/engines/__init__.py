"""Engines: runners of a job's blocks, in this process or (`dask`, `clusters`) in others."""

from napari_emgauss.training.engines.local import LocalEngine, RunConfig
from napari_emgauss.training.engines.tasks import BlockSpec, OpenedJob, run_block

__all__ = ["BlockSpec", "LocalEngine", "OpenedJob", "RunConfig", "run_block"]
