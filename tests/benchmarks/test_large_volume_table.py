"""Stacks and rows of the table of large volumes."""

import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.large_volume import COLUMNS, make_stack, mirrored_index, row

from napari_emgauss.io import read


def test_indices_run_to_and_fro_without_a_jump():
    np.testing.assert_array_equal(mirrored_index(9, 4), [0, 1, 2, 3, 2, 1, 0, 1, 2])
    np.testing.assert_array_equal(mirrored_index(3, 1), [0, 0, 0])


def test_a_stack_is_the_phantom_mirrored(tmp_path):
    stack = read(make_stack(tmp_path / "a.ome.zarr", (7, 40, 300)))
    assert stack.voxel_size_nm == (48, 8, 8)
    np.testing.assert_array_equal(stack.section(6), stack.section(2))
    np.testing.assert_array_equal(stack.section(1)[:, 256:], stack.section(1)[:, 254:210:-1])


def test_a_row_has_every_column():
    line = row((24, 256, 256), 0, 1, {"seconds": 9.1, "cpu_s": 4.5, "peak_mib": 400.0})
    assert line.count("|") == COLUMNS.count("|")
    assert "| 139 × 256 × 256 | 9.11 MB | – | 1 | 9 | 4 | 494 | 400 |" in line
