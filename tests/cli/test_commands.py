import os
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest

import napari_emgauss as eg
from napari_emgauss.cli import main
from napari_emgauss.cli.reconstruct import default_output
from napari_emgauss.training.loop import BlockTrainer

QUICK = ["--preset", "fast", "--set", "joint=2", "bootstrap=1", "spacing_px=4"]


@pytest.fixture(scope="module")
def folder(stack, isotropic, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    eg.write(stack, folder / "stack.tif")
    eg.write(isotropic, folder / "iso.tif")
    assert main(["reconstruct", str(folder / "stack.tif"), *QUICK]) == 0
    return folder


def test_reconstruct_puts_the_model_beside_the_stack(folder, capsys):
    assert eg.load(folder / "stack.emgauss").shape == (5, 48, 40)
    out = folder / "other.emgauss"
    assert main(["reconstruct", str(folder / "stack.tif"), "-o", str(out), "--hold-out", "2", *QUICK]) == 0
    text = capsys.readouterr().out
    assert "5 sections of 48 × 40, 48 × 8 × 8 nm, 6× anisotropic → 25 × 48 × 40" in text
    assert "held-out" in text
    assert eg.load(out).config.sections.hold_out == (2,)


def test_reconstruct_says_which_sections_it_left_out(folder, stack, capsys):
    data = np.array(stack.data)
    data[2] = 128
    eg.write(eg.Volume(data, stack.voxel_size_nm), folder / "damaged.tif")
    assert main(["reconstruct", str(folder / "damaged.tif"), *QUICK]) == 0
    assert "Section 2 (blank) was left out as damaged" in capsys.readouterr().out
    arguments = ["reconstruct", str(folder / "damaged.tif"), "--overwrite", *QUICK, "leave_out_damaged=false"]
    assert main(arguments) == 0
    assert "left out" not in capsys.readouterr().out


def test_reconstruct_can_export_at_once(folder):
    arguments = ["reconstruct", str(folder / "stack.tif"), "-o", str(folder / "e.emgauss"), *QUICK]
    assert main([*arguments, "--export", str(folder / "e.ome.tif")]) == 0
    assert eg.read(folder / "e.ome.tif").shape == (25, 48, 40)


def test_existing_outputs_are_refused_before_any_work(folder, capsys, monkeypatch):
    monkeypatch.setattr("napari_emgauss.cli.reconstruct.read", lambda *a, **k: pytest.fail("the stack was read"))
    assert main(["reconstruct", str(folder / "stack.tif"), *QUICK]) == 1
    assert "--overwrite" in capsys.readouterr().err


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


def test_wrong_usage_is_exit_code_2_and_help_0(capsys):
    assert main(["reconstruct"]) == 2
    assert main(["teleport"]) == 2
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in ("reconstruct", "render", "export", "evaluate", "demo", "doctor"):
        assert command in text


def test_render_writes_images_of_the_asked_size(folder):
    import cv2
    import tifffile

    model = str(folder / "stack.emgauss")
    assert main(["render", model, "--z", "1.5", "-o", str(folder / "z.tif")]) == 0
    assert tifffile.imread(folder / "z.tif") == pytest.approx(eg.load(model).render(1.5))
    part = ["--region", "0", "20", "10", "30", "--zoom", "2"]
    assert main(["render", model, "--depth-nm", "72", *part, "-o", str(folder / "z.png")]) == 0
    assert cv2.imread(str(folder / "z.png"), cv2.IMREAD_GRAYSCALE).shape == (40, 40)


def test_render_draws_the_uncertainty(folder, capsys):
    import tifffile

    model = str(folder / "stack.emgauss")
    target = folder / "error.tif"
    assert main(["render", model, "--z", "1.5", "--uncertainty", "-o", str(target)]) == 0
    assert tifffile.imread(target) == pytest.approx(eg.load(model).uncertainty(1.5))
    assert "expected error" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["iso.ome.tif", "iso.ome.zarr", "iso.mrc"])
def test_export_writes_every_format(folder, name, capsys):
    target = folder / f"out-{name}"
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 0
    assert "25 × 48 × 40 voxels of 8 × 8 × 8 nm" in capsys.readouterr().out
    assert eg.read(target).shape == (25, 48, 40)
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 1


@pytest.mark.parametrize("name", ["plain.ome.tif", "plain.mrc"])
def test_interpolate_writes_the_isotropic_volume_without_a_model(folder, stack, name):
    target = folder / name
    arguments = ["--method", "linear", "--leave-out", "2"]
    assert main(["interpolate", str(folder / "stack.tif"), str(target), *arguments]) == 0
    written = eg.read(target)
    assert written.shape == (25, 48, 40)
    assert written.voxel_size_nm == pytest.approx((8, 8, 8))
    middle = (stack.section(1).astype(float) + stack.section(3)) / 2
    np.testing.assert_allclose(written.section(12), middle, atol=0.51)


@pytest.mark.parametrize(("pays", "offered"), [(False, True), (True, False)])
def test_a_reconstruction_that_does_not_pay_is_told_with_the_better_one(folder, capsys, monkeypatch, pays, offered):
    from napari_emgauss.evaluation import HeldOut

    monkeypatch.setattr(HeldOut, "pays", property(lambda self: pays))
    stack, model = str(folder / "stack.tif"), str(folder / "judged.emgauss")
    assert main(["reconstruct", stack, "-o", model, "--overwrite", "--hold-out", "2", *QUICK]) == 0
    text = capsys.readouterr().out
    assert "On your one held-out section EMGauss is" in text
    assert ("napari-emgauss interpolate" in text) == offered


def test_the_better_one_that_is_offered_can_be_typed_as_it_stands(folder, capsys, monkeypatch):
    from napari_emgauss.evaluation import HeldOut

    monkeypatch.setattr(HeldOut, "pays", property(lambda self: False))
    (folder / "two words").mkdir()
    stack = folder / "two words" / "stack.tif"
    stack.write_bytes((folder / "stack.tif").read_bytes())
    settings = ["--voxel-size-nm", "50", "8", "8", "--leave-out", "1", "--hold-out", "3"]
    assert main(["reconstruct", str(stack), *settings, *QUICK]) == 0
    (offer,) = (line for line in capsys.readouterr().out.splitlines() if "napari-emgauss interpolate" in line)
    command = shlex.split(offer.partition("napari-emgauss ")[2])
    assert main(command) == 0
    assert eg.read(command[2]).voxel_size_nm == pytest.approx((8, 8, 8))
    assert command[command.index("--leave-out") + 1 :] == ["1"]


def test_evaluate_prints_the_table_and_writes_it(folder, capsys):
    arguments = ["evaluate", str(folder / "iso.tif"), "--methods", "linear", "emgauss:fast", "--set", "joint=2"]
    assert main([*arguments, "--output-dir", str(folder / "scores")]) == 0
    text = capsys.readouterr().out
    assert "emgauss" in text
    assert "PSNR" in text
    names = {path.name for path in (folder / "scores").iterdir()}
    assert names == {"metrics.txt", "metrics.csv", "metrics.json", "comparison.png"}


def test_doctor_finds_nothing_missing_here(capsys):
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    for subject in ("Python", "torch", "gsplat", "threads", "memory", "kernels", "napari"):
        assert subject in text


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("a.v2.tif", "a.v2.emgauss"),
        ("a.1.ome.tif", "a.1.emgauss"),
        ("a.ome.zarr", "a.emgauss"),
        ("folder", "folder.emgauss"),
    ],
)
def test_models_are_named_after_their_stack(name, model, tmp_path):
    assert default_output(tmp_path / name) == tmp_path / model


def interrupt_at_step(monkeypatch, n_step):
    """Send Ctrl-C during an iteration."""
    step, made = BlockTrainer.step, []

    def patched(self):
        made.append(1)
        if len(made) == n_step:
            os.kill(os.getpid(), signal.SIGINT)
        step(self)

    monkeypatch.setattr(BlockTrainer, "step", patched)


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_during_evaluate_scores_nothing(folder, monkeypatch, capsys):
    interrupt_at_step(monkeypatch, 5)
    assert main(["evaluate", str(folder / "iso.tif"), "--methods", "linear", "emgauss:fast"]) == 130
    assert "Best plain" not in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_during_export_leaves_nothing(folder, monkeypatch):
    render, target = eg.Reconstruction.render, folder / "cancelled.ome.tif"

    def slow(self, *args, **kwargs):
        os.kill(os.getpid(), signal.SIGINT)
        return render(self, *args, **kwargs)

    monkeypatch.setattr(eg.Reconstruction, "render", slow)
    before = set(folder.iterdir())
    assert main(["export", str(folder / "stack.emgauss"), str(target)]) == 130
    assert set(folder.iterdir()) == before


@pytest.mark.skipif(os.name == "nt", reason="sends SIGINT")
def test_ctrl_c_stops_and_keeps_the_model_and_a_checkpoint_continues(folder):
    code = "import sys; from napari_emgauss.cli import main; sys.exit(main(sys.argv[1:]))"
    output, checkpoint = folder / "stopped.emgauss", folder / "checkpoint"
    arguments = ["reconstruct", str(folder / "stack.tif"), "-o", str(output), "--checkpoint", str(checkpoint)]
    command = [sys.executable, "-u", "-c", code, *arguments, "--set", "lateral_steps=20", "joint=20000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "joint" in line:
                break
        process.send_signal(signal.SIGINT)
        text = process.stdout.read()
        assert process.wait(60) == 130
    assert "stopped early, kept" in text
    assert eg.load(output).record["blocks_trained"] == "0 of 1"
    assert list(checkpoint.iterdir())


@pytest.mark.slow
def test_the_demo_leaves_what_it_names(tmp_path, capsys):
    assert main(["demo", "--output", str(tmp_path / "d")]) == 0
    text = capsys.readouterr().out
    for name in ("sections.ome.tif", "model.emgauss", "isotropic.ome.tif", "metrics.csv", "comparison.png"):
        assert (tmp_path / "d" / name).stat().st_size > 0
        assert name in text
    assert eg.read(tmp_path / "d" / "isotropic.ome.tif").shape == (61, 128, 128)
