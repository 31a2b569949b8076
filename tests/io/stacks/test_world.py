import nibabel
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from napari_emgauss.errors import VolumeError
from napari_emgauss.io.stacks import NiftiVolume, read_stack, read_world_volume, write_stack
from napari_emgauss.io.stacks.world import write_mask
from napari_emgauss.slices import SliceStack

AFFINE = np.eye(4)
AFFINE[:3, :3] = Rotation.from_rotvec([0.3, -0.2, 0.5]).as_matrix() * [3.0, -1.0, 1.2]
AFFINE[:3, 3] = 10, -20, 30
VALUES = np.random.default_rng(0).random((7, 8, 9)).astype(np.float32)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_volume_comes_back_as_it_was(tmp_path, name):
    volume = read_world_volume(NiftiVolume(VALUES, AFFINE).write(tmp_path / name))
    assert (volume.values == VALUES).all()
    assert np.allclose(volume.affine, AFFINE, atol=1e-5)


def test_a_voxel_of_the_file_is_at_the_place_of_the_volume_s(tmp_path):
    volume = NiftiVolume(VALUES, AFFINE)
    image = nibabel.load(volume.write(tmp_path / "a.nii"))
    at = image.affine @ [3, 4, 5, 1]
    assert image.get_fdata()[3, 4, 5] == VALUES[5, 4, 3]
    assert np.allclose(at[:3], volume.grid.positions()[5, 4, 3], atol=1e-4)


def test_a_stack_and_its_mask_come_back_as_they_were(tmp_path):
    stack = SliceStack(VALUES, AFFINE, 2.5, VALUES > 0.5)
    write_stack(stack, tmp_path / "a.nii.gz")
    write_mask(stack, tmp_path / "m.nii.gz")
    again = read_stack(tmp_path / "a.nii.gz", mask=tmp_path / "m.nii.gz", thickness_mm=2.5)
    assert (again.images == stack.images).all()
    assert (again.mask == stack.mask).all()
    assert np.allclose(again.affine, stack.affine, atol=1e-5)


def test_a_volume_without_a_place_is_refused(tmp_path):
    nibabel.save(nibabel.Nifti1Image(VALUES, None), tmp_path / "a.nii")
    with pytest.raises(VolumeError, match="no place in space"):
        read_world_volume(tmp_path / "a.nii")
