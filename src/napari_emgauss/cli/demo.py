"""``napari-emgauss demo``: a synthetic stack, reconstructed and compared with the truth."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from napari_emgauss.units import format_duration

if TYPE_CHECKING:
    from napari_emgauss._types import FloatArray
    from napari_emgauss.volume import Volume

FACTOR = 6
METHODS = ("linear", "linear+blur0.7", "flow+blur0.7")


@dataclass(frozen=True, kw_only=True)
class Demo:
    """Reconstruct a synthetic stack and compare it with the truth, in about a minute."""

    output: Annotated[Path, tyro.conf.arg(aliases=["-o"])] = Path("demo_output")
    """Folder for the results; files of an earlier demo in it are replaced."""
    seed: int = 0
    """Seed of the phantom and of the training."""
    debug: bool = False
    """Show the traceback of an error."""

    def run(self) -> int:
        """Draw a phantom, thin it sixfold, reconstruct it and compare it with the truth; name every output."""
        from napari_emgauss.cli.display import TrainingDisplay, plain_console
        from napari_emgauss.cli.outputs import check_results_folder, write_results
        from napari_emgauss.evaluation import evaluate
        from napari_emgauss.io import write
        from napari_emgauss.methods.emgauss import Reconstruction, reconstruct
        from napari_emgauss.phantoms import phantom

        start = time.perf_counter()
        console = plain_console()
        check_results_folder(self.output)
        console.print(f"Drawing a synthetic EM volume and keeping every {FACTOR}th section ...")
        truth = phantom(seed=self.seed)
        made: list[Reconstruction] = []
        with TrainingDisplay(console) as display:

            def emgauss(thinned: Volume) -> Callable[[float], FloatArray]:
                made.append(reconstruct(thinned, preset="balanced", seed=self.seed, device="cpu", on_event=display))
                return made[0].render

            result = evaluate(truth, FACTOR, [*METHODS, ("emgauss", emgauss)])
        outputs = [self.output / name for name in ("sections.ome.tif", "model.emgauss", "isotropic.ome.tif")]
        write(truth.every(FACTOR), outputs[0], overwrite=True)
        made[0].save(outputs[1])
        write(made[0].lazy(), outputs[2], overwrite=True)
        console.print(result.table())
        console.print(result.verdict())
        console.print(f"\nDone in {format_duration(time.perf_counter() - start)}. Written:")
        for path in [*outputs, *write_results(result, self.output)]:
            console.print(f"  {path}")
        console.print("Next, on your own stack: napari-emgauss reconstruct stack.tif --voxel-size-nm 40 4 4")
        return 0
