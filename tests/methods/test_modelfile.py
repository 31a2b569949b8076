import contextlib
import json
import struct

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_emgauss as eg
from napari_emgauss.errors import ModelFileError
from napari_emgauss.methods.emgauss import modelfile

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def result(stack):
    return eg.reconstruct(stack, joint=1, bootstrap=1, spacing_px=5.0)


@pytest.fixture(scope="module")
def saved(result, tmp_path_factory):
    return result.save(tmp_path_factory.mktemp("model") / "m.emgauss").read_bytes()


def edited(raw: bytes, change) -> bytes:
    """The file with its JSON header passed through ``change``."""
    (n,) = struct.unpack("<Q", raw[:8])
    outer = json.loads(raw[8 : 8 + n])
    header = json.loads(outer["__metadata__"][modelfile.KEY])
    change(header)
    outer["__metadata__"][modelfile.KEY] = json.dumps(header)
    text = json.dumps(outer).encode()
    return struct.pack("<Q", len(text)) + text + raw[8 + n :]


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_a_saved_model_draws_the_same(stack, preset, tmp_path):
    small = {"warmup": 2, "mlp_width": 8, "mlp_depth": 2} if preset == "paper" else {}
    result = eg.reconstruct(stack, preset=preset, joint=2, bootstrap=2, spacing_px=5.0, **small)
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    for z in (0, 1.37, 4):
        assert np.array_equal(again.render(z), result.render(z))
    assert again.config == result.config
    assert again.voxel_size_nm == result.voxel_size_nm
    assert again.record == result.record


@FUZZ
@given(data=st.data())
def test_a_truncated_or_damaged_file_is_a_clear_error(saved, data, tmp_path):
    path = tmp_path / "bad.emgauss"
    cut = data.draw(st.integers(0, len(saved) - 1))
    path.write_bytes(saved[:cut])
    with pytest.raises(ModelFileError):
        eg.load(path)
    flipped = bytearray(saved)
    flipped[data.draw(st.integers(0, 3000))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)
    with contextlib.suppress(ModelFileError):
        eg.load(path).render(1.5)


@FUZZ
@given(raw=st.binary(max_size=300))
def test_foreign_bytes_are_a_clear_error(raw, tmp_path):
    path = tmp_path / "foreign.emgauss"
    path.write_bytes(raw)
    with pytest.raises(ValueError, match="foreign"):
        eg.load(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.update(version=2),
        lambda h: h.update(shape=[5, 10**9, 10**9]),
        lambda h: h.update(shape=[10**5, 48, 40]),
        lambda h: h.update(shape=[-5, 48, 40]),
        lambda h: h.update(shape="large"),
        lambda h: h.update(dtype="object"),
        lambda h: h.update(voxel_size_nm=[1, 2, float("nan")]),
        lambda h: h.update(observed=[0, 2, 1, 3, 4]),
        lambda h: h.update(offsets=[[0, 1]]),
        lambda h: h.update(scaling={"low": float("inf"), "high": 1}),
        lambda h: h.pop("config"),
        lambda h: h["config"].update(field="mlp", mlp_width=10**6),
        lambda h: h["config"].update(spacing_px="3"),
        lambda h: h["config"].update(unknown=1),
        lambda h: h["config"].update(tile_px=1),
    ],
)
def test_an_inconsistent_header_is_a_clear_error(saved, change, tmp_path):
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, change))
    with pytest.raises(ModelFileError):
        eg.load(path)


def test_parameters_that_are_not_finite_are_refused(stack, tmp_path):
    result = eg.reconstruct(stack, joint=1, bootstrap=0, spacing_px=5.0)
    with torch.no_grad():
        result.models[0].gaussians.intensity[0] = float("nan")
    with pytest.raises(ModelFileError, match="finite"):
        eg.load(result.save(tmp_path / "nan.emgauss"))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.emgauss"):
        eg.load(tmp_path / "nowhere.emgauss")


def test_a_failing_save_leaves_the_old_model(result, saved, tmp_path, monkeypatch):
    path = tmp_path / "m.emgauss"
    path.write_bytes(saved)

    def fail(tensors, target, metadata):
        target.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(modelfile, "save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        result.save(path)
    assert path.read_bytes() == saved
    assert [p.name for p in tmp_path.iterdir()] == ["m.emgauss"]
