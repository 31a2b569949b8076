"""Errors in plain words."""

import logging

import pytest

from napari_emgauss._napari.controls.notify import message_of, report
from napari_emgauss.errors import ConfigError, VolumeError, VoxelSizeError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (VolumeError("open a stack first."), "Open a stack first."),
        (MemoryError("no memory"), "Out of memory (no memory). Try a part of the stack"),
        (RuntimeError("could not create a primitive"), "Out of memory (could not create a primitive). Try"),
        (KeyError("x"), "Something unexpected went wrong: KeyError: 'x'. The log has the details."),
        (FileNotFoundError(), "FileNotFoundError"),
    ],
)
def test_what_is_said_tells_what_to_do(error, words):
    assert message_of(error).startswith(words)


def test_a_report_is_shown_and_logged_with_its_traceback(monkeypatch, caplog):
    shown = []
    monkeypatch.setattr("napari.utils.notifications.show_error", shown.append)
    error = VolumeError("open a stack first.")
    with caplog.at_level(logging.ERROR, logger="napari_emgauss"):
        report(error)
    assert shown == ["Open a stack first."]
    assert caplog.records[0].exc_info[1] is error


def test_messages_name_things_as_the_forms_do():
    assert message_of(ConfigError("hold_out must name sections within 0..4, got 9.")).startswith("'Hold out' must name")
    asking = ConfigError("images were not found. Give their folder as data_dir (--data-dir).")
    assert message_of(asking) == "Images were not found. Give their folder as 'Data folder'."
    error = VoxelSizeError("voxel_size_nm must be positive, got 0. Give it in nanometres as z y x, for example --x 4.")
    assert message_of(error) == "The voxel size must be positive, got 0. Enter it in nm: z, y, x."
