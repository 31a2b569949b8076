import gzip

import nibabel
import numpy as np
import pytest

from napari_emgauss.errors import FileFormatError, OutOfMemoryError, VolumeError
from napari_emgauss.io.stacks.nifti import checked_target, is_nifti, read_nifti, write_nifti

VALUES = np.random.default_rng(0).random((7, 6, 5)).astype(np.float32)
AFFINE = np.array([[0, 0, 3.0, 4], [-1.5, 0, 0, 5], [0, 1.2, 0, -6], [0, 0, 0, 1]])


def saved(path, values=VALUES, affine=AFFINE, header=None, kind=nibabel.Nifti1Image):
    image = kind(values, affine)
    for key, value in (header or {}).items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
def test_what_is_written_is_read_and_another_program_reads_the_same(tmp_path, name):
    write_nifti(VALUES, AFFINE, tmp_path / name, overwrite=False)
    image, other = read_nifti(tmp_path / name), nibabel.load(tmp_path / name)
    assert (image.values == VALUES).all()
    assert np.allclose(image.affine, AFFINE)
    assert (other.get_fdata(dtype=np.float32) == VALUES).all()
    assert np.allclose(other.affine, AFFINE)
    assert np.allclose(other.get_qform(), AFFINE, atol=1e-5)
    assert other.header.get_xyzt_units()[0] == "mm"


def test_the_same_voxels_give_the_same_file(tmp_path):
    for name in ("a.nii.gz", "b.nii.gz"):
        write_nifti(VALUES, AFFINE, tmp_path / name, overwrite=False)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_an_existing_file_is_kept_unless_told(tmp_path):
    path = saved(tmp_path / "a.nii")
    with pytest.raises(FileExistsError):
        write_nifti(VALUES, AFFINE, path, overwrite=False)
    write_nifti(2 * VALUES, AFFINE, path, overwrite=True)
    assert (read_nifti(path).values == 2 * VALUES).all()


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["uint8", "<i2", ">i2", "uint16", "float64"])
def test_every_plain_type_is_read(tmp_path, kind, dtype):
    values = (VALUES * 100).astype(dtype)
    assert (read_nifti(saved(tmp_path / "a.nii.gz", values, kind=kind)).values == values.astype(np.float32)).all()


def test_scaled_integers_are_unscaled(tmp_path):
    image = nibabel.Nifti1Image((VALUES * 100).astype(np.int16), AFFINE)
    image.header.set_slope_inter(0.5, -3)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.allclose(read_nifti(tmp_path / "a.nii").values, nibabel.load(tmp_path / "a.nii").get_fdata())


def test_a_qform_counts_where_there_is_no_sform(tmp_path):
    image = nibabel.Nifti1Image(VALUES, None)
    image.set_qform(AFFINE, code=1)
    image.set_sform(None, code=0)
    nibabel.save(image, tmp_path / "a.nii")
    assert np.allclose(read_nifti(tmp_path / "a.nii").affine, AFFINE, atol=1e-5)


def test_micrometres_become_millimetres(tmp_path):
    image = nibabel.Nifti1Image(VALUES, AFFINE)
    image.header.set_xyzt_units("micron")
    nibabel.save(image, tmp_path / "a.nii")
    assert np.allclose(read_nifti(tmp_path / "a.nii").affine[:3], AFFINE[:3] * 1e-3)


def test_a_file_without_a_place_in_space_says_so(tmp_path):
    image = nibabel.Nifti1Image(VALUES, None)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii").affine is None


def test_the_slice_axis_of_the_header_is_read(tmp_path):
    image = nibabel.Nifti1Image(VALUES, AFFINE)
    image.header.set_dim_info(slice=1)
    nibabel.save(image, tmp_path / "a.nii")
    assert read_nifti(tmp_path / "a.nii").slice_axis == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.zeros((4, 4, 4, 3), np.float32), r"shape \(4, 4, 4, 3\); a stack has three axes"),
        (np.zeros((4, 4, 4), np.complex64), "type complex64"),
        (np.zeros((4, 4, 4), [("R", "u1"), ("G", "u1"), ("B", "u1")]), "expected integers or real numbers"),
    ],
)
def test_what_is_no_grey_stack_is_refused(tmp_path, values, message):
    with pytest.raises(VolumeError, match=message):
        read_nifti(saved(tmp_path / "a.nii.gz", values))


def test_a_fourth_axis_of_one_is_no_matter(tmp_path):
    assert read_nifti(saved(tmp_path / "a.nii", VALUES[..., None])).values.shape == VALUES.shape


def damaged(tmp_path, *, packed, change):
    """Change the bytes of a good file."""
    path = tmp_path / ("a.nii.gz" if packed else "a.nii")
    data = bytearray(saved(tmp_path / "good.nii").read_bytes())
    data = change(data)
    path.write_bytes(gzip.compress(bytes(data)) if packed else bytes(data))
    return path


def with_number(offset, number, dtype):
    def change(data):
        data[offset : offset + np.dtype(dtype).itemsize] = np.array(number, dtype).tobytes()
        return data

    return change


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:100],
        lambda data: data[:400],
        lambda data: b"PK\x03\x04" + bytes(data[4:]),
        with_number(40, 9, "<i2"),
        with_number(42, -7, "<i2"),
        with_number(70, 999, "<i2"),
        with_number(108, 3e9, "<f4"),
        with_number(108, np.nan, "<f4"),
        with_number(123, 255, "u1"),
        with_number(344, 0x00316E69, "<i4"),
    ],
)
def test_a_damaged_file_is_an_error_in_words(tmp_path, packed, change):
    with pytest.raises((FileFormatError, VolumeError), match=r"a\.nii"):
        read_nifti(damaged(tmp_path, packed=packed, change=change))


def test_gzip_that_is_cut_short_is_an_error_in_words(tmp_path):
    path = saved(tmp_path / "a.nii.gz")
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileFormatError, match="truncated"):
        read_nifti(path)


def test_voxels_that_the_file_cannot_hold_are_refused_before_they_are_allocated(tmp_path):
    def huge(data):
        data[42:48] = np.array([20000, 20000, 20000], "<i2").tobytes()
        return data

    for packed in (False, True):
        with pytest.raises(FileFormatError, match="20000 × 20000 × 20000 voxels"):
            read_nifti(damaged(tmp_path, packed=packed, change=huge))


def test_voxels_that_do_not_fit_in_memory_are_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.nii.gz")
    monkeypatch.setattr("napari_emgauss.io.guard.available_bytes", lambda: 100)
    with pytest.raises(OutOfMemoryError):
        read_nifti(path)


def test_an_extension_that_claims_gigabytes_is_not_read(tmp_path):
    def extended(data):
        data[348:360] = b"\x01\0\0\0" + np.array([2**31 - 16, 4], "<i4").tobytes()
        return data

    path = damaged(tmp_path, packed=True, change=lambda data: extended(data[:352] + bytearray(16) + data[352:]))
    changed = bytearray(gzip.decompress(path.read_bytes()))
    path.write_bytes(gzip.compress(bytes(with_number(108, 368.0, "<f4")(changed))))
    assert (read_nifti(path).values == VALUES).all()


def test_what_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_nifti(tmp_path / "none.nii")
    (tmp_path / "folder.nii").mkdir()
    with pytest.raises(FileFormatError, match="is no file"):
        read_nifti(tmp_path / "folder.nii")


def test_a_name_says_whether_it_is_nifti(tmp_path):
    assert is_nifti(tmp_path / "a.NII.gz")
    assert not is_nifti(tmp_path / "a.gz")
    with pytest.raises(FileFormatError, match=r"\.nii, \.nii\.gz"):
        checked_target("a.tif")
