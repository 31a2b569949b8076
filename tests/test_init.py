import subprocess
import sys

import numpy as np
import pytest

import napari_emgauss as eg


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, napari_emgauss, napari_emgauss.volume\n"
        "heavy = {'torch', 'numba', 'napari', 'qtpy', 'matplotlib', 'cv2'} & set(sys.modules)\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_documented_names_exist_and_others_do_not():
    for name in eg.__all__:
        assert getattr(eg, name) is not None
        assert name in dir(eg)
    with pytest.raises(AttributeError, match="no attribute 'teleport'"):
        _ = eg.teleport


def test_the_whole_way_in_python(isotropic, tmp_path):
    eg.write(isotropic.every(6), tmp_path / "stack.tif")
    volume = eg.read(tmp_path / "stack.tif")
    reconstruction = eg.reconstruct(volume, preset="fast", newton_steps=1)
    reconstruction.save(tmp_path / "stack.emgauss")
    again = eg.load(tmp_path / "stack.emgauss")
    assert again.render(3.37, region=(0, 20, 4, 24), zoom=0.5).shape == (10, 10)
    for name in ("iso.ome.tif", "iso.ome.zarr", "iso.mrc"):
        eg.write(again.resample(), tmp_path / name)
        read = eg.read(tmp_path / name)
        assert read.shape == isotropic.shape
        assert read.voxel_size_nm == pytest.approx((8, 8, 8))


def test_the_api_works_as_the_design_writes_it(stack, tmp_path):
    eg.write(stack, tmp_path / "stack.tif")
    vol = eg.read(tmp_path / "stack.tif", voxel_size_nm=(40, 4, 4))
    assert vol.voxel_size_nm == (40, 4, 4)
    vol = eg.Volume(np.asarray(stack.data), voxel_size_nm=(40, 4, 4))
    rec = eg.reconstruct(vol, preset="balanced", device="auto", seed=0, on_event=None, joint=1, bootstrap=1)
    assert isinstance(rec, eg.Reconstruction)
    image = rec.render(3.37)
    assert (image.dtype, image.shape) == (np.float32, stack.shape[1:])
    assert rec.render(3.37, region=(4, 24, 2, 32), zoom=0.5).shape == (10, 15)
    assert rec.resample().voxel_size_nm == (4, 4, 4)
    coarse = rec.resample(voxel_size_nm=(8, 4, 4))
    assert (coarse.shape, coarse.voxel_size_nm) == ((21, *stack.shape[1:]), (8, 4, 4))
    assert coarse.dtype == stack.dtype


def test_emgauss_is_scored_beside_interpolation(isotropic):
    table = eg.evaluate(isotropic, factor=6, methods=["linear", "flow", "emgauss"], preset="fast")
    assert table["emgauss"].psnr_db > 15
    assert "emgauss" in table.verdict()
