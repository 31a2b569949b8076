import subprocess
import sys

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
    reconstruction = eg.reconstruct(volume, preset="fast", joint=2, bootstrap=1)
    reconstruction.save(tmp_path / "stack.emgauss")
    again = eg.load(tmp_path / "stack.emgauss")
    assert again.render(3.37, region=(0, 20, 4, 24), zoom=0.5).shape == (10, 10)
    for name in ("iso.ome.tif", "iso.ome.zarr", "iso.mrc"):
        eg.write(again.resample(), tmp_path / name)
        read = eg.read(tmp_path / name)
        assert read.shape == isotropic.shape
        assert read.voxel_size_nm == pytest.approx((8, 8, 8))


def test_emgauss_is_scored_beside_interpolation(isotropic):
    table = eg.evaluate(isotropic, factor=6, methods=["linear", "flow", "emgauss"], preset="fast", joint=5, bootstrap=1)
    assert table["emgauss"].psnr_db > 15
    assert "emgauss" in table.verdict()
