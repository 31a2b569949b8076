"""Command line of the measurements of jobs; ``--help`` of each tells its options.

``python -m benchmarks.jobs faults --kills 40 --seed 1 --output faults.md``
``python -m benchmarks.jobs mishaps --output mishaps.md``
``python -m benchmarks.jobs speed stack.ome.zarr --set tile_px=288``
``python -m benchmarks.jobs memory``
``python -m benchmarks.jobs larger-than-memory``
``python -m benchmarks.jobs cluster --workers 64 --blocks 1000``

What came of it is in docs/lab/jobs.md.
"""

from __future__ import annotations

import sys
from typing import Annotated

import tyro
from tyro.conf import subcommand

from benchmarks.jobs.faults import Faults
from benchmarks.jobs.memory import LargerThanMemory, Memory
from benchmarks.jobs.mishaps import Mishaps
from benchmarks.jobs.simulated import Cluster
from benchmarks.jobs.speed import Speed


def main() -> int:
    """Measure, and print what came of it."""
    measured = tyro.cli(
        Annotated[Faults, subcommand("faults")]
        | Annotated[Mishaps, subcommand("mishaps")]
        | Annotated[Speed, subcommand("speed")]
        | Annotated[Memory, subcommand("memory")]
        | Annotated[LargerThanMemory, subcommand("larger-than-memory")]
        | Annotated[Cluster, subcommand("cluster")],
        config=(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes),
    )
    sys.stdout.write(f"{measured.run()}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
