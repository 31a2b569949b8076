import numpy as np
import pytest
from particle_files import REAL, needs, write_stack

from napari_emgauss.errors import FileFormatError, ParticlesError
from napari_emgauss.io.particles import read_particles
from napari_emgauss.io.particles.relion import RelionTable, rotations_of

OPTICS = """
data_optics
loop_
_rlnOpticsGroup
_rlnOpticsGroupName
_rlnVoltage
_rlnSphericalAberration
_rlnAmplitudeContrast
_rlnImagePixelSize
{extra}
1 first 300 2.7 0.1 1.5 {value}
2 second 200 2.7 0.07 1.5 {value}
"""
PARTICLES = """
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
_rlnRandomSubset
000002@{stack} 1 10 20 30 3 -1.5 15000 14000 30 1
000001@{stack} 2 40 50 60 0 0 16000 15500 40 2
"""


def star(folder, *, stack="s.mrcs", optics=OPTICS, particles=PARTICLES, extra="", value="", name="p.star"):
    path = folder / name
    path.write_text(optics.format(extra=extra, value=value) + particles.format(stack=stack))
    return path


def test_a_table_becomes_particles_in_its_own_order(tmp_path):
    images = write_stack(tmp_path / "s.mrcs", n=2)
    found = read_particles(star(tmp_path))
    assert np.array_equal(found.images.read([0, 1]), images[::-1])
    assert found.pixel_size_angstrom == 1.5
    assert np.allclose(found.shifts_px, [[2, -1], [0, 0]])
    assert found.halves.tolist() == [0, 1]
    assert found.ctf.voltage_kv.tolist() == [300, 200]
    assert found.ctf.amplitude_contrast.tolist() == [0.1, 0.07]
    assert found.optics_names == ("first", "second")


def test_optics_may_come_after_the_particles(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2)
    text = PARTICLES.format(stack="s.mrcs") + OPTICS.format(extra="", value="")
    (tmp_path / "turned.star").write_text(text)
    assert read_particles(tmp_path / "turned.star").optics_group.tolist() == [0, 1]


def test_missing_columns_are_named_all_at_once(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2)
    without = PARTICLES.replace("_rlnDefocusU", "_rlnOther").replace("_rlnDefocusV", "_rlnAnother")
    with pytest.raises(ParticlesError, match=r"_rlnDefocusU, _rlnDefocusV, .*CtfFind"):
        read_particles(star(tmp_path, particles=without))


@pytest.mark.parametrize(("column", "remedy"), [("_rlnAngleTilt", "Refine3D"), ("_rlnOriginYAngst", "add the column")])
def test_a_missing_column_is_told_with_its_remedy(tmp_path, column, remedy):
    write_stack(tmp_path / "s.mrcs", n=2)
    with pytest.raises(ParticlesError, match=f"has no column {column}, .*{remedy}"):
        read_particles(star(tmp_path, particles=PARTICLES.replace(column, "_rlnOther")))


def test_a_missing_pixel_size_is_told_with_its_remedy(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2)
    path = star(tmp_path, optics=OPTICS.replace("_rlnImagePixelSize", "_rlnUnknown"))
    with pytest.raises(ParticlesError, match=r"pixel_size_angstrom \(--pixel-size-angstrom\)"):
        read_particles(path)
    assert read_particles(path, pixel_size_angstrom=2.0).pixel_size_angstrom == 2.0


def test_aberrations_are_refused_unless_they_are_to_be_ignored(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2)
    path = star(tmp_path, extra="_rlnBeamTiltX", value="0.3")
    with pytest.raises(ParticlesError, match="_rlnBeamTiltX"):
        read_particles(path)
    assert len(read_particles(path, ignore_aberrations=True)) == 2
    assert len(read_particles(star(tmp_path, extra="_rlnBeamTiltX", value="0.0"))) == 2


def test_images_multiplied_by_their_ctf_are_never_taken(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2)
    path = star(tmp_path, extra="_rlnCtfDataAreCtfPremultiplied", value="1")
    with pytest.raises(ParticlesError, match="Premultiplied"):
        read_particles(path, ignore_aberrations=True)


def test_phase_flipped_images_are_known_as_such(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2)
    assert read_particles(star(tmp_path, extra="_rlnCtfDataArePhaseFlipped", value="1")).phase_flipped
    assert not read_particles(star(tmp_path)).phase_flipped


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optics": OPTICS.replace("0.07 1.5", "0.07 1.6")}, "pixel sizes of 1.5, 1.6 Å; all must have one"),
        (
            {
                "optics": OPTICS.replace("0.07 1.5 {value}", "0.07 1.5 1"),
                "extra": "_rlnCtfDataArePhaseFlipped",
                "value": 0,
            },
            "_rlnCtfDataArePhaseFlipped .* 1 for 1 of 2 particles",
        ),
    ],
)
def test_optics_groups_that_cannot_be_reconstructed_together_are_refused_by_what_differs(tmp_path, changes, message):
    write_stack(tmp_path / "s.mrcs", n=2)
    with pytest.raises(ParticlesError, match=f"{message}.*one by one"):
        read_particles(star(tmp_path, **changes))


@pytest.mark.parametrize("name", ["../secret.mrcs", "{absolute}", "sub/../../secret.mrcs", "link.mrcs"])
def test_a_table_cannot_make_the_program_read_outside_of_its_folders(tmp_path, name):
    inside = tmp_path / "project"
    inside.mkdir()
    write_stack(tmp_path / "secret.mrcs", n=2)
    (inside / "link.mrcs").symlink_to(tmp_path / "secret.mrcs")
    path = star(inside, stack=name.format(absolute=tmp_path / "secret.mrcs"))
    with pytest.raises(FileFormatError, match="outside of"):
        read_particles(path)
    if name in ("{absolute}", "link.mrcs"):
        assert len(read_particles(path, data_dir=tmp_path)) == 2  # now the user has named the folder


@pytest.mark.parametrize(
    ("old", "new"), [("1@", f"{'9' * 400}@"), ("1@", f"{10**18}@"), ("s.mrcs", f"{'p' * 5000}.mrcs")]
)
def test_names_of_images_that_cannot_be_are_told_in_a_short_line(tmp_path, old, new):
    path = star(tmp_path)
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises((ParticlesError, FileFormatError), match=str(tmp_path)) as told:
        read_particles(path)
    assert len(str(told.value)) < 500


def test_an_image_that_the_stack_does_not_hold_is_told(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=1)
    with pytest.raises(ParticlesError, match=r"particle 1 is image 2 of .*holds 1 images"):
        read_particles(star(tmp_path))


def test_boxes_of_several_sizes_are_refused(tmp_path):
    write_stack(tmp_path / "s.mrcs", n=2, box=16)
    write_stack(tmp_path / "t.mrcs", n=2, box=20)
    mixed = PARTICLES.replace("000001@{stack}", "000001@t.mrcs")
    with pytest.raises(ParticlesError, match="one box size, got 16 × 16, 20 × 20"):
        read_particles(star(tmp_path, particles=mixed))


def test_a_file_without_particles_is_refused(tmp_path):
    (tmp_path / "a.star").write_text("data_\nloop_\n_rlnOther\n1\n")
    with pytest.raises(FileFormatError, match="_rlnImageName"):
        read_particles(tmp_path / "a.star")
    (tmp_path / "b.star").write_bytes(b"\x00\x01\x02 not a table")
    with pytest.raises(FileFormatError, match="STAR"):
        read_particles(tmp_path / "b.star")


def test_a_rotation_is_that_of_three_turns_about_z_y_z():
    rot, tilt, psi = np.deg2rad([25, 40, -70])

    def z(a):
        return np.array([[np.cos(a), np.sin(a), 0], [-np.sin(a), np.cos(a), 0], [0, 0, 1]])

    def y(a):
        return np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])

    assert np.allclose(rotations_of(np.array([[25, 40, -70.0]]))[0], z(psi) @ y(tilt) @ z(rot))


@needs(REAL)
@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("formats/FinalRefinement-OriginalParticles-PfCRT.star", 5),
        ("formats/empiar_10076_7.star", 7),
        ("formats/relion31.6opticsgroups.star", None),
        ("formats/relion31.v2.star", 5),
        ("formats/relion5.star", None),
        ("real_particles/sample_particles_relion30.star", 17),
        ("real_particles/sta_testing_bin8.star", 219),
    ],
)
def test_tables_of_every_version_are_read(name, n):
    table = RelionTable.read(REAL / name)
    assert table.particles.n_rows == n or n is None
    assert len(table.image_names()[1]) == table.particles.n_rows


@needs(REAL)
def test_a_real_stack_without_the_mark_of_mrc_is_read():
    found = read_particles(REAL / "real_particles/relion31.star")
    assert found.images.read([4]).std() > 0
    assert (len(found), found.pixel_size_angstrom) == (5, 2.806)
