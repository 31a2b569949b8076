"""One measurement: a crop of a volume, a factor and a method, in a process of its own.

A process of its own makes its peak memory its own. Results are kept as JSON files, so that an interrupted table
continues where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import napari_emgauss
from benchmarks.crops import Crop
from napari_emgauss.runtime.memory import process_peak_mib
from napari_emgauss.runtime.threads import usable_cores
from napari_emgauss.volume import Volume

ALONE = "-alone"
"""Behind a preset's name: from the stack alone, with ``prior=False``."""
PRESET_METHODS = ("fast", "balanced", "best", "paper", *(name + ALONE for name in ("fast", "balanced", "best")))
_SCREENS = {"_napari", "cli"}


@dataclass(frozen=True)
class Case:
    """One method on one crop."""

    volume: Path
    """Isotropic volume."""
    crop: Crop
    factor: int
    """Every factor-th section is kept."""
    method: str
    """Name of a baseline, or a preset; ``balanced-alone`` is ``balanced`` without the prior."""
    seed: int = 0
    device: str = "auto"
    with_fsim: bool = True

    @property
    def name(self) -> str:
        """Like ``fib25_sample2/x6/z97-y0-x0-192/balanced``."""
        return f"{self.volume.stem}/x{self.factor}/{self.crop.name}/{self.method}"

    @property
    def trains(self) -> bool:
        """Whether the method is a preset of EMGauss."""
        return self.method in PRESET_METHODS

    @property
    def preset(self) -> str:
        """Preset that the method trains."""
        return self.method.removesuffix(ALONE)

    @property
    def overrides(self) -> dict[str, Any]:
        """Settings that the method changes in its preset."""
        return {"prior": False} if self.method.endswith(ALONE) else {}

    def settings(self) -> dict[str, Any]:
        """Everything besides the code that decides the result."""
        values = json.loads(json.dumps(asdict(self), default=str))
        values["volume"] = self.volume.stem
        if self.trains:
            from napari_emgauss.methods.emgauss import preset

            values["config"] = json.loads(json.dumps(preset(self.preset, **self.overrides).to_json()))
        return dict(values)

    @property
    def key(self) -> str:
        """File name of the result: readable, and another one for other settings."""
        digest = hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()[:10]
        return f"{self.name.replace('/', '_')}_{digest}"

    @classmethod
    def from_json(cls, text: str) -> Case:
        """Inverse of ``json.dumps(asdict(case), default=str)``."""
        values = json.loads(text)
        return cls(**{**values, "volume": Path(values["volume"]), "crop": Crop(**values["crop"])})


class Cache:
    """Results as one JSON file per case, and the models that are kept."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, case: Case) -> dict[str, Any] | None:
        """Result of a case, or None if it has not been measured with these settings."""
        path = self.folder / f"{case.key}.json"
        if not path.exists():
            return None
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["result"]
        return result

    def put(self, case: Case, result: dict[str, Any]) -> None:
        """Keep a result; a reader never sees half a file."""
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{case.key}.json"
        text = json.dumps({"settings": case.settings(), "result": result}, indent=1)
        partial = path.with_suffix(".partial")
        partial.write_text(text + "\n", encoding="utf-8")
        os.replace(partial, path)

    def model(self, case: Case) -> Path:
        """Where the model of a case is kept."""
        return self.folder / f"{case.key}.emgauss"


def measure(case: Case, *, model: Path | None = None) -> dict[str, Any]:
    """Scores and costs of a case, in this process.

    Parameters
    ----------
    case
        What to measure.
    model
        File for the trained model.
    """
    from napari_emgauss.evaluation import evaluate

    made: list[Any] = []
    crop = case.crop.read(case.volume)
    choice = (case.method, _training(case, made)) if case.trains else case.method
    found = evaluate(crop, case.factor, [choice], with_fsim=case.with_fsim).methods[0]
    result = {**asdict(found), "process_peak_mib": process_peak_mib(), "code": code_state(), "cores": usable_cores()}
    if made:
        result |= {"n_gaussians": made[0].n_gaussians, "device": made[0].record["device"]}
        result["teacher"] = made[0].record.get("teacher")
        if model is not None:
            model.parent.mkdir(parents=True, exist_ok=True)
            made[0].save(model)
    return result


def run_apart(case: Case, *, model: Path | None = None) -> dict[str, Any]:
    """`measure` in a process of its own.

    Raises
    ------
    RuntimeError
        With the end of what the process said.
    """
    settled = replace(case, volume=case.volume.resolve())
    text = json.dumps(asdict(settled), default=str)
    return run_command([sys.executable, "-m", "benchmarks.cases", text, str(model.resolve()) if model else ""])


def run_command(command: list[str], *, timeout_s: float | None = None) -> dict[str, Any]:
    """The JSON object that a command of the benchmarks prints in its last line.

    Raises
    ------
    RuntimeError
        The command failed.
    subprocess.TimeoutExpired
        It took longer than ``timeout_s``.
    """
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, cwd=root, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[2:4])[:120]} failed ({done.returncode}): {done.stderr.strip()[-800:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def code_state() -> str:
    """Hash of the package's code below the screens: results of different states should not share a table unsaid."""
    root = Path(napari_emgauss.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        if path.relative_to(root).parts[0] not in _SCREENS:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def _training(case: Case, made: list[Any]) -> Callable[[Volume], Any]:
    def factory(stack: Volume) -> Any:
        from napari_emgauss.methods.emgauss import reconstruct

        made.append(reconstruct(stack, preset=case.preset, seed=case.seed, device=case.device, **case.overrides))
        return made[0].render

    return factory


def main(arguments: list[str]) -> None:
    """Measure the case that is given as JSON and print its result."""
    case, model = Case.from_json(arguments[0]), arguments[1] if len(arguments) > 1 else ""
    sys.stdout.write("\n" + json.dumps(measure(case, model=Path(model) if model else None)) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
