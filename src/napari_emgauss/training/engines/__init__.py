"""Engines: runners of a job's blocks."""

from napari_emgauss.training.engines.local import LocalEngine, RunConfig

__all__ = ["LocalEngine", "RunConfig"]
