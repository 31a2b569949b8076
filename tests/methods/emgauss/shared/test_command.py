"""The command line of a job."""

from pathlib import Path

import pytest

import napari_emgauss as eg
from napari_emgauss.cli.reconstruct import Reconstruct
from napari_emgauss.cli.settings import parse_settings
from napari_emgauss.errors import ConfigError
from napari_emgauss.io import SourceRef
from napari_emgauss.io.store import JobFolder
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.methods.emgauss.shared import command, command_to_go_on, describe

SETTINGS = [
    {"preset": "balanced"},
    {"preset": "fast", "hold_out": (2,), "leave_out": (1, 3), "seed": 7, "spacing_px": 4.5, "tile_px": 80},
    {"preset": "best", "prior": False, "uncertainty": False, "denoise": "light"},
    {"preset": "balanced", "teacher": "ema"},
    {"preset": "best", "prior_views": 2},
    {"preset": "paper"},
]


def parsed(words):
    import tyro

    assert words[0] == "reconstruct"
    return tyro.cli(Reconstruct, args=words[1:])


@pytest.mark.parametrize("arguments", SETTINGS, ids=lambda each: each["preset"])
def test_what_is_typed_trains_with_the_same_settings_at_first_and_from_the_folder(stack, arguments, tmp_path):
    volume = eg.read(eg.write(stack, tmp_path / "a stack.tif"), voxel_size_nm=(48, 8, 8.25))
    wanted = prepare(volume, device="cpu", **arguments)
    begun = command(volume.source, tmp_path / "a.job", workers=3, **arguments)
    describe(wanted, JobFolder(tmp_path / "a.job", wanted.fingerprint))
    for words in (begun, command_to_go_on(tmp_path / "a.job", workers=3)):
        typed = parsed(words)
        assert (typed.workers, typed.checkpoint) == (3, tmp_path / "a.job")
        again = prepare(
            eg.read(typed.stack, voxel_size_nm=typed.voxel_size_nm),
            preset=typed.preset,
            device="cpu",
            seed=typed.seed,
            hold_out=typed.hold_out,
            leave_out=typed.leave_out,
            **parse_settings(typed.set),
        )
        assert again.fingerprint == wanted.fingerprint


def test_an_impossible_setting_is_refused_before_anything_begins():
    with pytest.raises(ConfigError, match="tile_px must be more than twice tile_overlap_px, got 64 and 32"):
        command(SourceRef(path=Path("/stack.tif")), Path("/a.job"), workers=2, tile_px=64)
