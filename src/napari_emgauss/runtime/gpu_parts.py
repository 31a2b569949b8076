"""Parts that computing on an NVIDIA GPU takes, looked for one by one."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class GpuPart:
    """A part of what a GPU takes: its name, whether it is there, and what to do where it is not."""

    name: str
    found: bool
    detail: str
    remedy: str = ""


def gpu_parts() -> list[GpuPart]:
    """Return the parts without which nothing runs on a GPU: driver, a CUDA build of torch, a device."""
    import torch

    driver = _has_driver()
    parts = [
        GpuPart("NVIDIA driver", driver, "found" if driver else "not found", "Install the driver of your card."),
        GpuPart(
            "CUDA build of torch",
            torch.version.cuda is not None,
            f"torch {torch.__version__}" + (f" for CUDA {torch.version.cuda}" if torch.version.cuda else ""),
            "Install torch with CUDA: choose it on pytorch.org/get-started.",
        ),
    ]
    works = torch.cuda.is_available()
    detail = torch.cuda.get_device_name() if works else "torch finds none"
    parts.append(GpuPart("GPU", works, detail, "Look at the two lines above, and at what nvidia-smi says."))
    return [part if not part.found else GpuPart(part.name, True, part.detail) for part in parts]


TRITON, GSPLAT = ("triton", "C compiler", "Python's headers"), ("gsplat", "nvcc", "ninja", "C++ compiler")
"""Names of the parts that kernels of each take."""


def kernel_parts() -> list[GpuPart]:
    """Return the parts that make a GPU fast (triton), and those that the preset 'paper' takes (gsplat, its tools)."""
    nvcc, fits = _nvcc()
    version = sysconfig.get_python_version()
    # torch asks for ninja as a program: a package of that name in an environment that is not activated is none.
    rows: list[tuple[str, bool, str]] = [
        ("triton", _installed("triton"), "It comes with torch for Linux; without it torch draws sums, slowly."),
        ("C compiler", _compiler("CC", "gcc", "clang", "cc"), "For triton: install gcc."),
        (
            "Python's headers",
            _has_headers(),
            f"For triton: install python{version}-dev, or a Python that has Python.h.",
        ),
        ("gsplat", _installed("gsplat"), "For preset 'paper' only: pip install 'napari-emgauss[gpu]'."),
        ("nvcc", fits, "To build gsplat: install the CUDA toolkit of torch's CUDA version, and set CUDA_HOME to it."),
        (
            "ninja",
            shutil.which("ninja") is not None,
            "To build gsplat: pip install ninja, and activate the environment.",
        ),
        ("C++ compiler", _compiler("CXX", "c++", "g++", "clang++"), "To build gsplat: install g++ (Windows: MSVC)."),
    ]
    details = {"nvcc": nvcc}
    return [
        GpuPart(name, found, details.get(name, "found" if found else "not found"), "" if found else remedy)
        for name, found, remedy in rows
    ]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _has_driver() -> bool:
    with suppress(OSError):
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        return True
    return shutil.which("nvidia-smi") is not None


def _nvcc() -> tuple[str, bool]:
    """Return what there is of CUDA's compiler, and whether it fits torch: the same version up to the first point."""
    import torch

    homes = (os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH"))
    places = [os.path.join(home, "bin") for home in (*homes, "/usr/local/cuda") if home]
    found = [path for path in (*(shutil.which("nvcc", path=place) for place in places), shutil.which("nvcc")) if path]
    if not found:
        return "not found", False
    try:
        said = subprocess.run([found[0], "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return f"does not run: {error}", False
    match = re.search(r"release (\d+)\.\d+", said)
    if match is None or torch.version.cuda is None:
        return "found", True
    fits = match[1] == torch.version.cuda.split(".")[0]
    return f"{match[0]}, torch is built with CUDA {torch.version.cuda}", fits


def _compiler(variable: str, *names: str) -> bool:
    """Return whether there is a compiler: the one that an environment variable names, or one of ``names``."""
    chosen = os.environ.get(variable, "").split(" ")[0]
    return any(map(shutil.which, (chosen,) if chosen else (*names, "cl")))


def _has_headers() -> bool:
    return (Path(sysconfig.get_path("include")) / "Python.h").exists()
