import os
import pickle

import numpy as np
import pytest
from particle_files import REAL, needs, write_stack
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.particles import read_particles
from napari_emgauss.io.particles.cryodrgn import read_arrays

ROTATIONS = Rotation.random(3, rng=0).as_matrix()
SHIFTS = np.array([[0.1, -0.05], [0, 0], [0.02, 0.03]])
CTF = np.tile([16, 2.0, 15000, 14000, 30, 300, 2.7, 0.1, 0], (3, 1))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_of_any_protocol_and_order_are_read(tmp_path, protocol, order):
    arrays = np.asarray(ROTATIONS, order=order), SHIFTS.astype(">f4")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(arrays, protocol=protocol))
    first, second = read_arrays(tmp_path / "a.pkl")
    assert np.array_equal(first, ROTATIONS)
    assert np.array_equal(second, SHIFTS.astype(np.float32))


class Call:
    def __init__(self, function, *values):
        self.function, self.values = function, values

    def __reduce__(self):
        return self.function, self.values


@pytest.mark.parametrize(
    "made",
    [
        Call(os.system, "true"),
        Call(eval, "1"),
        Call(np.load, "a.npy"),
        {"a": ROTATIONS},
        "text",
        np.array([{"a": 1}], object),
        np.zeros(2, [("a", "f4")]),
    ],
    ids=["system", "eval", "numpy's own function", "mapping", "text", "objects", "records"],
)
def test_a_pickle_of_anything_but_arrays_is_refused(tmp_path, made):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(made, protocol=2))
    with pytest.raises(FileFormatError):
        read_arrays(tmp_path / "a.pkl")


def test_a_shape_that_its_bytes_do_not_fill_is_refused(tmp_path):
    data = pickle.dumps(np.zeros(7, np.uint8), protocol=2)
    assert data.count(b"K\x07") >= 1
    (tmp_path / "a.pkl").write_bytes(data.replace(b"K\x07", b"K\x70", 1))
    with pytest.raises(FileFormatError):
        read_arrays(tmp_path / "a.pkl")


@pytest.fixture
def stack(tmp_path):
    write_stack(tmp_path / "s.mrcs")
    np.savez(tmp_path / "poses.npz", rotations=ROTATIONS, shifts=SHIFTS)
    np.savez(tmp_path / "ctf.npz", ctf=CTF)
    return tmp_path


def test_a_stack_with_poses_and_ctfs_becomes_particles(stack):
    found = read_particles(stack / "s.mrcs", poses=stack / "poses.npz", ctf=stack / "ctf.npz")
    assert found.pixel_size_angstrom == 2.0
    assert np.allclose(found.shifts_px, SHIFTS * 16)
    assert np.allclose(found.ctf.defocus_v_angstrom, 14000)


def test_the_pixel_size_follows_images_that_were_binned(stack):
    np.savez(stack / "ctf.npz", ctf=CTF * [2, 1, 1, 1, 1, 1, 1, 1, 1])
    found = read_particles(stack / "s.mrcs", poses=stack / "poses.npz", ctf=stack / "ctf.npz")
    assert found.pixel_size_angstrom == 4.0


def test_several_pixel_sizes_are_refused_with_the_remedy(stack):
    several = CTF.copy()
    several[1, 1] *= 1.1
    np.savez(stack / "ctf.npz", ctf=several)
    with pytest.raises(ParticlesError, match=r"2 to 2\.2 Å.*one by one"):
        read_particles(stack / "s.mrcs", poses=stack / "poses.npz", ctf=stack / "ctf.npz")


def test_a_stack_alone_is_refused_with_the_remedy(stack):
    with pytest.raises(ParticlesError, match=r"poses \(--poses\) and ctf \(--ctf\)"):
        read_particles(stack / "s.mrcs")


def test_numbers_of_poses_and_images_must_agree(stack):
    np.savez(stack / "poses.npz", rotations=ROTATIONS[:2])
    with pytest.raises(ParticlesError, match="as many rotations as images, got 2 and 3"):
        read_particles(stack / "s.mrcs", poses=stack / "poses.npz", ctf=stack / "ctf.npz")


def test_what_is_no_rotation_is_refused(stack):
    np.savez(stack / "poses.npz", rotations=-ROTATIONS)
    with pytest.raises(ParticlesError, match="rotation matrices"):
        read_particles(stack / "s.mrcs", poses=stack / "poses.npz", ctf=stack / "ctf.npz")


def test_shifts_in_pixels_are_noticed(stack):
    np.savez(stack / "poses.npz", rotations=ROTATIONS, shifts=SHIFTS * 100)
    with pytest.raises(ParticlesError, match="parts of the box"):
        read_particles(stack / "s.mrcs", poses=stack / "poses.npz", ctf=stack / "ctf.npz")


@needs(REAL)
def test_real_tables_of_a_tilt_series_are_read_and_an_extra_image_is_told():
    folder = REAL / "real_particles"
    name = "ay19102021_L3_position6_ribo_it09_bin8_1.82A.mrcs"
    with pytest.raises(ParticlesError, match="as many rotations as images, got 219 and 220"):
        read_particles(folder / name, poses=folder / "sta_pose.pkl", ctf=folder / "sta_ctf.pkl")


def test_numbers_that_cannot_be_are_told_with_the_file(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=3)
    np.save(tmp_path / "ctf.npy", np.where(np.arange(9) == 5, 0.0, CTF))
    (tmp_path / "poses.pkl").write_bytes(pickle.dumps((ROTATIONS, SHIFTS)))
    with pytest.raises(ParticlesError, match=r"s\.mrcs: voltage_kv must be positive, got 0"):
        read_particles(tmp_path / "s.mrcs", poses=tmp_path / "poses.pkl", ctf=tmp_path / "ctf.npy")
