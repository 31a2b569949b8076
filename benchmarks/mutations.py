"""Good files of every format that is read, and random damage to them."""

from __future__ import annotations

import gzip
import json
import pickle
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import mrcfile
import numpy as np
import tifffile
import zarr
from scipy.spatial.transform import Rotation

import napari_emgauss as eg
from napari_emgauss.forward.simulation import simulate_particles
from napari_emgauss.io.stacks import write_stack
from napari_emgauss.particles import CtfParameters, Particles
from napari_emgauss.phantoms import Acquisition, brain_phantom, phantom_molecule, simulate_stacks

SHAPE = (4, 32, 36)
VOXEL_NM = (40.0, 8.0, 8.0)
SERVED = "served-"
"""What the names of those begin with that are opened by a URL."""
FAULTY = "faulty-"
"""What the names of those begin with whose files are good, and their server is not."""
_NUMBERS = (0, 1, 2, 255, 256, 2**15, 2**16 - 1, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
_VALUES = (
    None,
    True,
    -1,
    0,
    1e300,
    -1e-300,
    float("nan"),
    float("inf"),
    2**20,
    2**63,
    "",
    "x" * 300,
    [],
    {},
    [[]],
    "\x1b[2J",
)
_HEAD_BYTES = 4096


def make_files(folder: Path) -> dict[str, Path]:
    """Write one good file, or folder, of each kind; returned by what it is."""
    data = eg.Volume(_tissue(), VOXEL_NM)
    sections = np.asarray(data.data)
    plain = {"photometric": "minisblack", "metadata": {"axes": "ZYX"}}
    tifffile.imwrite(folder / "plain.tif", sections, **plain)
    tifffile.imwrite(folder / "big.tif", sections, bigtiff=True, **plain)
    tifffile.imwrite(folder / "tiled.tif", sections, tile=(16, 16), compression="zlib", **plain)
    tifffile.imwrite(folder / "imagej.tif", sections, imagej=True, resolution=(1.0, 1.0), metadata={"spacing": 2})
    with tifffile.TiffWriter(folder / "pages.tif") as tif:
        for section in sections:
            tif.write(section, metadata=None, contiguous=False, photometric="minisblack")
    for name in ("a.ome.tif", "a.mrc", "v05.ome.zarr"):
        eg.write(data, folder / name)
    eg.write(eg.Volume(sections.astype(np.float32), VOXEL_NM), folder / "float.mrc")
    stack = eg.SliceStack(sections.astype(np.float32), np.diag([4.0, 1, 1, 1]), 4.0)
    for name in ("a.nii", "b.nii.gz"):
        write_stack(stack, folder / name)
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("raw", data=sections, chunks=(1, 32, 36), compression="gzip")
    _old_zarr(folder / "v04.ome.zarr", sections)
    _sharded_zarr(folder / "sharded.ome.zarr", sections)
    _n5(folder / "a.n5", sections)
    shutil.copytree(folder / "a.n5", folder / f"{SERVED}a.n5")
    shutil.copytree(folder / "v05.ome.zarr", folder / f"{SERVED}v05.ome.zarr")
    for name in ("a.n5", "sharded.ome.zarr"):
        shutil.copytree(folder / name, folder / f"{FAULTY}{name}")
    for suffix in ("png", "tif"):
        images = folder / f"images-{suffix}"
        images.mkdir()
        for index, section in enumerate(sections):
            cv2.imwrite(str(images / f"{index}.{suffix}"), section)
    _write_models(data, folder)
    write_particles(folder)
    return {path.name: path for path in sorted(folder.iterdir())}


def _write_models(data: eg.Volume, folder: Path) -> None:
    """Write small models of all methods."""
    for preset in ("fast", "paper"):
        settings: dict[str, Any] = {"mlp_width": 16, "mlp_depth": 2} if preset == "paper" else {}
        steps = {"joint": 1, "bootstrap": 0, "warmup": 0}
        model = eg.reconstruct(data, preset=preset, spacing_px=4.0, device="cpu", **steps, **settings)
        model.save(folder / f"{preset}.emgauss")
    stacks = simulate_stacks(*brain_phantom((20, 22, 20)), Acquisition(thickness_mm=3.0), seed=2).stacks
    eg.reconstruct_slices(stacks, solve_steps=2, spacing=3.0).save(folder / "svr.emgauss")
    steps = {"n_gaussians": 50, "shape_iterations": 2, "likelihood_iterations": 2}
    eg.reconstruct_particles(_particles(), **steps).save(folder / "gem.emgauss")


def _particles(box_px: int = 16, n: int = 40) -> Particles:
    rng, same = np.random.default_rng(0), np.ones(n)
    molecule = phantom_molecule(100, radius_angstrom=30, width_angstrom=6.0)
    return simulate_particles(
        lambda rotations: molecule.project(rotations, box_px, 6.0),
        box_px=box_px,
        pixel_size_angstrom=6.0,
        rotations=Rotation.random(n, rng=0).as_matrix(),
        shifts_angstrom=rng.uniform(-6, 6, (n, 2)),
        parameters=CtfParameters(
            defocus_u_angstrom=15000 * same,
            defocus_v_angstrom=14000 * same,
            defocus_angle_deg=30 * same,
            voltage_kv=300 * same,
            cs_mm=2.7 * same,
            amplitude_contrast=0.1 * same,
            phase_shift_deg=0 * same,
            b_factor=0 * same,
        ),
        snr=0.2,
        rng=rng,
    )


_STAR = """
data_optics
loop_
_rlnOpticsGroup
_rlnVoltage
_rlnSphericalAberration
_rlnAmplitudeContrast
_rlnImagePixelSize
1 300 2.7 0.1 1.5

data_particles
loop_
_rlnImageName
_rlnOpticsGroup
_rlnAngleRot
_rlnAngleTilt
_rlnAnglePsi
_rlnOriginXAngst
_rlnOriginYAngst
_rlnDefocusU
_rlnDefocusV
_rlnDefocusAngle
"""
_CRYOSPARC = [
    ("uid", "u8"), ("blob/path", "S30"), ("blob/idx", "u4"), ("blob/psize_A", "f4"), ("blob/sign", "f4"),
    ("ctf/accel_kv", "f4"), ("ctf/cs_mm", "f4"), ("ctf/amp_contrast", "f4"), ("ctf/df1_A", "f4"), ("ctf/df2_A", "f4"),
    ("ctf/df_angle_rad", "f4"), ("alignments3D/pose", "f4", (3,)), ("alignments3D/shift", "f4", (2,)),
    ("alignments3D/psize_A", "f4"), ("alignments3D/split", "u4"),
]  # fmt: skip
PARTICLES = "particles-"
"""What the names of folders of particles begin with; the table in them is named after the rest."""


def write_particles(folder: Path, n: int = 4) -> None:
    """Write particles as RELION, cryoSPARC and cryoDRGN do, each in a folder of its own."""
    images = np.random.default_rng(1).standard_normal((n, 16, 16)).astype(np.float32)
    for kind in ("star", "cs", "mrcs"):
        own = folder / f"{PARTICLES}{kind}"
        own.mkdir()
        with mrcfile.new(own / "p.mrcs", images) as file:
            file.set_image_stack()
    lines = [f"{k + 1}@p.mrcs 1 {10 * k} 20 30 3 -1.5 15000 14000 30" for k in range(n)]
    (folder / f"{PARTICLES}star" / "p.star").write_text(_STAR + "\n".join(lines) + "\n", encoding="utf-8")
    table = np.ones(n, _CRYOSPARC)
    table["blob/path"], table["blob/idx"], table["uid"] = b"p.mrcs", np.arange(n), np.arange(n)
    with (folder / f"{PARTICLES}cs" / "p.cs").open("wb") as file:
        np.save(file, table)
    own = folder / f"{PARTICLES}mrcs"
    poses = Rotation.random(n, rng=0).as_matrix(), np.zeros((n, 2))
    (own / "poses.pkl").write_bytes(pickle.dumps(poses, protocol=4))
    ctf = np.tile([16, 2.0, 15000, 14000, 30, 300, 2.7, 0.1, 0], (n, 1))
    (own / "ctf.pkl").write_bytes(pickle.dumps(ctf, protocol=4))


def _tissue() -> np.ndarray:
    from napari_emgauss.phantoms import phantom

    return np.asarray(phantom((19, *SHAPE[1:]), seed=3).every(6).data)


def _old_zarr(path: Path, sections: np.ndarray) -> None:
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("0", data=sections, chunks=(2, 16, 36))
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": list(VOXEL_NM)}]
    image = {"version": "0.4", "axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group.attrs["multiscales"] = [image]


def _sharded_zarr(path: Path, sections: np.ndarray) -> None:
    axes = [{"name": a, "type": "space", "unit": "nanometer"} for a in "zyx"]
    scale = [{"type": "scale", "scale": list(VOXEL_NM)}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    group = zarr.create_group(path, attributes={"ome": {"version": "0.5", "multiscales": [image]}})
    group.create_array("0", data=sections, shards=(4, 32, 36), chunks=(1, 16, 12))


def _n5(path: Path, sections: np.ndarray) -> None:
    """Write an N5 dataset of one block for each section; its axes are x, y, z, its numbers big-endian."""
    n, *shape = sections.shape
    described: dict[str, Any] = {"dimensions": [*shape[::-1], n], "blockSize": [*shape[::-1], 1]}
    described |= {"dataType": "uint8", "compression": {"type": "gzip"}, "resolution": list(VOXEL_NM[::-1])}
    head = struct.pack(">HHIII", 0, 3, *shape[::-1], 1)
    for z, section in enumerate(sections):
        block = path / "0" / "0" / str(z)
        block.parent.mkdir(parents=True, exist_ok=True)
        block.write_bytes(head + gzip.compress(section.tobytes()))
    (path / "attributes.json").write_text(json.dumps(described), encoding="utf-8")


def mutated(good: Path, into: Path, rng: np.random.Generator) -> tuple[Path, str]:
    """Copy a good file or folder ``into`` a folder and damage it; return it and what was done."""
    path = into / good.name
    if good.is_dir():
        shutil.copytree(good, path)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        target = files[int(rng.integers(len(files)))]
    else:
        shutil.copy(good, path)
        target = path
    known: list[Callable[[bytes, np.random.Generator], bytes]] = [*_OF_BYTES]
    if target.suffix == ".json" or target.name in (".zattrs", ".zarray", ".zgroup"):
        known += 4 * [_in_json]
    elif target.suffix == ".emgauss":
        known += 6 * [_in_model_header] + 4 * [_in_model_numbers]
    done = []
    content = target.read_bytes()
    # Mostly within what is packed: damage to a packed file is seldom more than a wrong checksum.
    packed = target.suffix == ".gz" and rng.random() < 0.7
    content = gzip.decompress(content) if packed else content
    for _ in range(int(rng.integers(1, 4))):
        mutation = known[int(rng.integers(len(known)))]
        done.append(mutation.__name__.strip("_"))
        content = mutation(content, rng)
    target.write_bytes(gzip.compress(content) if packed else content)
    if good.is_dir() and rng.random() < 0.1:
        target.unlink()
        done.append("deleted")
    return path, f"{target.relative_to(into)}: {', '.join(done)}"


def _place(content: bytes, rng: np.random.Generator) -> int:
    """Return a place in a file, in its first 4 kB as often as anywhere."""
    end = min(len(content), _HEAD_BYTES) if rng.random() < 0.5 else len(content)
    return int(rng.integers(max(end, 1)))


def _cut_short(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: _place(content, rng)]


def _flipped_bits(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 9))):
        if changed:
            changed[_place(content, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _extreme_number(content: bytes, rng: np.random.Generator) -> bytes:
    value, size = _NUMBERS[int(rng.integers(len(_NUMBERS)))], int(rng.choice([1, 2, 4, 8]))
    order = "little" if rng.random() < 0.7 else "big"
    at = _place(content, rng)
    number = (value % 2 ** (8 * size)).to_bytes(size, order)  # type: ignore[arg-type]
    return content[:at] + number + content[at + size :]


def _extreme_float(content: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng) // 4 * 4
    value = float(rng.choice([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0]))
    return content[:at] + struct.pack("<f", value) + content[at + 4 :]


def _blank_stretch(content: bytes, rng: np.random.Generator) -> bytes:
    at, n = _place(content, rng), int(rng.integers(1, 512))
    return content[:at] + bytes(len(content[at : at + n])) + content[at + n :]


def _left_out(content: bytes, rng: np.random.Generator) -> bytes:
    at = _place(content, rng)
    return content[:at] + content[at + int(rng.integers(1, 64)) :]


def _doubled(content: bytes, rng: np.random.Generator) -> bytes:
    at, n = _place(content, rng), int(rng.integers(1, 256))
    return content[: at + n] + content[at:]


_OF_BYTES = (_cut_short, _flipped_bits, _extreme_number, _extreme_float, _blank_stretch, _left_out, _doubled)


def _in_json(content: bytes, rng: np.random.Generator) -> bytes:
    """Put an odd value somewhere into a JSON document, or drop one."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    node = document
    while isinstance(node, dict | list) and node:
        keys: list[Any] = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[int(rng.integers(len(keys)))]
        if not isinstance(node[key], dict | list) or not node[key] or rng.random() < 0.2:
            number, chance = node[key], rng.random()
            if chance < 0.2:
                del node[key]
            elif chance < 0.5 and type(number) in (int, float):  # what is nearly right gets furthest
                node[key] = (number + 1, number - 1, 2 * number, -number, number / 2)[int(rng.integers(5))]
            else:
                node[key] = _VALUES[int(rng.integers(len(_VALUES)))]
            break
        node = node[key]
    return json.dumps(document).encode()


def _in_model_numbers(content: bytes, rng: np.random.Generator) -> bytes:
    """Change numbers behind a model's header, whose sizes stay right."""
    (n_bytes,) = struct.unpack("<Q", content[:8]) if len(content) >= 8 else (0,)
    start, numbers = content[: 8 + n_bytes], content[8 + n_bytes :]
    mutation = (_flipped_bits, _extreme_float, _blank_stretch)[int(rng.integers(3))]
    return start + mutation(numbers, rng)[: len(numbers)]


def _in_model_header(content: bytes, rng: np.random.Generator) -> bytes:
    """Put an odd value into a model's header, or into the JSON text of the method within it."""
    (n_bytes,) = struct.unpack("<Q", content[:8]) if len(content) >= 8 else (0,)
    try:
        outer = json.loads(content[8 : 8 + n_bytes])
        if rng.random() < 0.8:
            inner = outer["__metadata__"]["napari-emgauss"]
            outer["__metadata__"]["napari-emgauss"] = _in_json(inner.encode(), rng).decode()
            header = json.dumps(outer).encode()
        else:
            header = _in_json(content[8 : 8 + n_bytes], rng)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return content
    return struct.pack("<Q", len(header)) + header + content[8 + n_bytes :]
