import numpy as np
import pytest
from particle_files import REAL, needs, write_stack
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.particles import read_particles
from napari_emgauss.io.particles.cryodrgn import read_ctf, read_poses
from napari_emgauss.io.particles.cryosparc import ctf_of, read_table, rotations_of_pose

TYPE = [
    ("uid", "u8"),
    ("blob/path", "S30"),
    ("blob/idx", "u4"),
    ("blob/psize_A", "f4"),
    ("blob/sign", "f4"),
    ("ctf/accel_kv", "f4"),
    ("ctf/cs_mm", "f4"),
    ("ctf/amp_contrast", "f4"),
    ("ctf/df1_A", "f4"),
    ("ctf/df2_A", "f4"),
    ("ctf/df_angle_rad", "f4"),
    ("ctf/tilt_A", "f4", (2,)),
]
ALIGNED = [
    ("alignments3D/pose", "f4", (3,)),
    ("alignments3D/shift", "f4", (2,)),
    ("alignments3D/psize_A", "f4"),
    ("alignments3D/split", "u4"),
]


def rows(kind, n=4):
    table = np.zeros(n, kind)
    for name in table.dtype.names:
        if name == "uid":
            table[name] = np.arange(n) + 100
        elif name == "blob/path":
            table[name] = b">J1/s.mrcs"
        elif name == "blob/idx":
            table[name] = np.arange(n)[::-1]
        elif name == "blob/sign":
            table[name] = -1
        elif name == "alignments3D/split":
            table[name] = np.arange(n) % 2
        elif name == "alignments3D/psize_A":
            table[name] = 3.0
        elif name == "alignments3D/shift":
            table[name] = [2, -4]
        elif name.startswith("ctf/tilt"):
            table[name] = 0
        else:
            table[name] = 1.5
    return table


@pytest.fixture
def project(tmp_path):
    (tmp_path / "J1").mkdir()
    write_stack(tmp_path / "J1/s.mrcs", n=4)
    return tmp_path


def saved(path, table):
    with path.open("wb") as file:
        np.save(file, table)
    return path


def test_a_table_becomes_particles(project):
    found = read_particles(saved(project / "p.cs", rows(TYPE + ALIGNED)))
    assert found.data_sign == -1
    assert found.halves.tolist() == [0, 1, 0, 1]
    # Shifts are in pixels of the images that were aligned, twice as large as those of the file.
    assert np.allclose(found.shifts_angstrom, [[6, -12]] * 4)
    assert np.allclose(found.rotations, Rotation.from_rotvec([1.5] * 3).as_matrix().T)


def test_several_pixel_sizes_are_refused_with_the_column(project):
    table = rows(TYPE + ALIGNED)
    table["blob/psize_A"][1] = 1.6
    with pytest.raises(ParticlesError, match=r"1\.5 to 1\.6 Å \(blob/psize_A\); all must have one"):
        read_particles(saved(project / "p.cs", table))


def test_a_passthrough_table_is_joined_by_uid(project):
    first, second = rows(TYPE), rows([("uid", "u8"), *ALIGNED])[::-1].copy()
    second["alignments3D/shift"][:, 0] = second["uid"]
    path = saved(project / "p.cs", first)
    with pytest.raises(ParticlesError, match=r"alignments3D/pose.*\(--passthrough\)"):
        read_particles(path)
    found = read_particles(path, passthrough=saved(project / "q.cs", second))
    assert np.allclose(found.shifts_angstrom[:, 0] / 3, first["uid"])
    lacking = saved(project / "r.cs", second[:2])
    with pytest.raises(ParticlesError, match="lacks 2 of the 4"):
        read_particles(path, passthrough=lacking)


def test_the_compressed_format_is_refused_by_name(project):
    (project / "p.cs").write_bytes(b"\x95CSDAT\x00\x00")
    with pytest.raises(FileFormatError, match="CSDAT"):
        read_particles(project / "p.cs")


def test_objects_in_a_table_are_refused(project):
    with (project / "p.cs").open("wb") as file:
        np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"\.cs file"):
        read_particles(project / "p.cs")


def test_aberrations_are_refused_unless_they_are_to_be_ignored(project):
    table = rows(TYPE + ALIGNED)
    table["ctf/tilt_A"] = 0.1
    path = saved(project / "p.cs", table)
    with pytest.raises(ParticlesError, match="ctf/tilt_A"):
        read_particles(path)
    assert len(read_particles(path, ignore_aberrations=True)) == 4


@needs(REAL)
def test_poses_and_ctfs_of_a_real_table_are_those_that_cryodrgn_reads_from_it():
    table = read_table(REAL / "formats/cryosparc_P12_J24_001_particles.cs")
    rotations, shifts = read_poses(REAL / "formats/pose.cs.pkl")
    assert np.abs(rotations_of_pose(table["alignments3D/pose"]) - rotations).max() < 1e-6
    assert np.abs(table["alignments3D/shift"] / 180 - shifts).max() < 1e-6
    theirs, pixel, box = read_ctf(REAL / "formats/ctf2.pkl")
    mine = ctf_of({name: table[name] for name in table.dtype.names}, REAL)
    assert (round(pixel, 3), box) == (2.95, 180)
    for name, values in vars(mine).items():
        assert np.allclose(values, getattr(theirs, name), rtol=1e-6, atol=1e-5), name


@needs(REAL)
@pytest.mark.parametrize("name", ["cryosparc_J2_particles_exported.cs", "empiar_10076_7.cs"])
def test_real_tables_without_poses_are_refused_by_the_column(name):
    with pytest.raises(ParticlesError, match="alignments3D/pose"):
        read_particles(REAL / "formats" / name)
