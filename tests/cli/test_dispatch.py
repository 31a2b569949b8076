"""Dispatch, exit codes and errors in plain words."""

import subprocess
import sys

import pytest

from napari_emgauss.cli import main
from napari_emgauss.cli.reconstruct import Reconstruct


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reconstruct", "{}/missing.tif"], "missing.tif"),
        (["reconstruct", "{}/stack.tif", "--overwrite", "--set", "spacing=3"], "Did you mean spacing_px"),
        (["reconstruct", "{}/stack.tif", "--overwrite", "--set", "joint=many"], "joint must be a whole number"),
        (["reconstruct", "{}/stack.tif", "--overwrite", "--set", "joint"], "name=value"),
        (["reconstruct", "{}/stack.tif", "--overwrite", "--hold-out", "0"], "end of the stack"),
        (["reconstruct", "{}/stack.tif", "--overwrite", "--set", "hold_out=1"], "--hold-out"),
        (["reconstruct", "{}/stack.tif", "--overwrite", "--export", "{}/iso.txt"], "a volume is written as"),
        (["render", "{}/stack.emgauss", "--z", "7", "-o", "{}/x.png"], "0..4"),
        (["render", "{}/stack.emgauss", "-o", "{}/x.png"], "--depth-nm"),
        (["render", "{}/stack.emgauss", "--z", "1", "-o", "{}/x.gif"], ".tif or .png"),
        (["render", "{}/stack.tif", "--z", "1", "-o", "{}/x.png"], "no model"),
        (["evaluate", "{}/iso.tif", "--crop", "0", "99", "0", "9", "0", "9"], "crop must be"),
    ],
)
def test_errors_are_one_plain_line_and_exit_code_1(folder, capsys, arguments, message):
    assert main([argument.format(folder) for argument in arguments]) == 1
    error = capsys.readouterr().err
    assert error.startswith("Error:")
    assert message in error
    assert "Traceback" not in error


def test_what_libraries_say_for_want_of_memory_is_explained(folder, capsys, monkeypatch):
    def full(*_):
        raise RuntimeError("could not create a primitive")

    monkeypatch.setattr(Reconstruct, "run", full)
    assert main(["reconstruct", f"{folder}/stack.tif"]) == 1
    assert "out of memory (could not create a primitive). Try a part of the stack" in capsys.readouterr().err


def test_wrong_usage_is_exit_code_2_and_help_0(capsys):
    assert main(["reconstruct"]) == 2
    assert main(["teleport"]) == 2
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("reconstruct", "render", "export", "evaluate", "demo", "doctor"):
        assert command in text


def test_help_is_quick_for_it_imports_neither_torch_nor_file_formats():
    code = "import sys; from napari_emgauss.cli import main; main(['reconstruct', '--help']); print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert "--voxel-size-nm" in answer.stdout
    assert not {"torch", "scipy", "cv2", "zarr", "h5py"} & set(answer.stdout.splitlines()[-1].split())
