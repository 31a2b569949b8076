"""Parts that computing on an NVIDIA GPU takes, looked for one by one."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass


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


def kernel_parts() -> list[GpuPart]:
    """Return the parts that make a GPU fast (triton), and those that the preset 'paper' takes (gsplat, its tools)."""
    triton = _installed("triton")
    rows: list[tuple[str, bool, str]] = [
        ("triton", triton, "It comes with torch for Linux; without it sums of Gaussians are drawn slowly by torch."),
        ("gsplat", _installed("gsplat"), "For preset 'paper' only: pip install 'napari-emgauss[gpu]'."),
        ("nvcc", _has_nvcc(), "To build gsplat: install the CUDA toolkit of torch's CUDA version."),
        ("ninja", _installed("ninja") or shutil.which("ninja") is not None, "To build gsplat: pip install ninja."),
        ("C++ compiler", any(map(shutil.which, _compilers())), "To build gsplat: install g++ (Windows: MSVC)."),
    ]
    return [
        GpuPart(name, found, "found" if found else "not found", "" if found else remedy) for name, found, remedy in rows
    ]


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def _has_driver() -> bool:
    with suppress(OSError):
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
        return True
    return shutil.which("nvidia-smi") is not None


def _has_nvcc() -> bool:
    homes = (os.environ.get(name) for name in ("CUDA_HOME", "CUDA_PATH"))
    places = [os.path.join(home, "bin") for home in (*homes, "/usr/local/cuda") if home]
    return shutil.which("nvcc") is not None or any(shutil.which("nvcc", path=place) for place in places)


def _compilers() -> Iterator[str]:
    yield from ("cl",) if sys.platform == "win32" else ("c++", "g++", "clang++")
