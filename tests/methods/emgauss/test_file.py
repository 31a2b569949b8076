import contextlib
import json
import math
import struct
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import napari_emgauss as eg
from napari_emgauss.errors import ModelFileError
from napari_emgauss.io.container import KEY, VERSION, write_container
from napari_emgauss.methods.emgauss import EmgaussConfig, describe_evidence
from napari_emgauss.methods.emgauss.model import Steps
from napari_emgauss.methods.emgauss.model.stored import n_bytes
from napari_emgauss.metrics import psnr

DATA = Path(__file__).resolve().parents[2] / "data"
BLOCKS = {"newton_steps": 1, "tile_px": 20, "tile_overlap_px": 4, "adapt_spacing": False}
"""Many small ones, quickly trained."""
LARGE_NETWORK = {"field": "mlp", "mlp_width": 4096, "mlp_depth": 64}
SETTINGS = [
    (group, name) for group, values in EmgaussConfig().to_json().items() if isinstance(values, dict) for name in values
]
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def result(stack):
    return eg.reconstruct(stack, newton_steps=2, spacing_px=5.0, adapt_spacing=False)


@pytest.fixture(scope="module")
def saved(result, tmp_path_factory):
    return result.save(tmp_path_factory.mktemp("model") / "m.emgauss").read_bytes()


def edited(raw: bytes, change) -> bytes:
    """The file with its JSON header passed through ``change``."""
    (n,) = struct.unpack("<Q", raw[:8])
    outer = json.loads(raw[8 : 8 + n])
    header = json.loads(outer["__metadata__"][KEY])
    change(header)
    outer["__metadata__"][KEY] = json.dumps(header)
    text = json.dumps(outer).encode()
    return struct.pack("<Q", len(text)) + text + raw[8 + n :]


@pytest.mark.parametrize("preset", ["fast", "paper"])
def test_a_saved_model_draws_the_same(stack, preset, tmp_path):
    small = {"warmup": 2, "mlp_width": 8, "mlp_depth": 2} if preset == "paper" else {}
    result = eg.reconstruct(stack, preset=preset, joint=2, bootstrap=2, spacing_px=5.0, uncertainty=True, **small)
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    for z in (0, 1.37, 4):
        assert np.array_equal(again.render(z), result.render(z))
        assert np.array_equal(again.uncertainty(z), result.uncertainty(z))
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
    flipped[data.draw(st.integers(0, len(saved) - 1))] ^= data.draw(st.integers(1, 255))
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
        lambda h: h.update(version=VERSION + 1),
        lambda h: h.update(shape=[5, 10**9, 10**9]),
        lambda h: h.update(shape=[10**5, 48, 40]),
        lambda h: h.update(shape=[-5, 48, 40]),
        lambda h: h.update(shape="large"),
        lambda h: h.update(dtype="object"),
        lambda h: h.update(voxel_size_nm=[1, 2, float("nan")]),
        lambda h: h.update(observed=[0, 2, 1, 3, 4]),
        lambda h: h["blocks"][0].update(offsets=[0, 1]),
        lambda h: h["blocks"][0].update(anchors=[0.0, 3.0, 2.0, 4.0]),
        lambda h: h["blocks"][0].update(anchors=[0.0, 1.0, float("nan"), 4.0]),
        lambda h: h["blocks"][0].pop("anchors"),
        lambda h: h["blocks"].append(h["blocks"][0]),
        lambda h: h.update(method="another"),
        lambda h: h.update(scaling={"low": float("inf"), "high": 1}),
        lambda h: h.pop("config"),
        lambda h: h["config"]["model"].update(field="mlp", mlp_width=10**6),
        lambda h: h["config"]["model"].update(spacing_px="3"),
        lambda h: h["config"]["model"].update(unknown=1),
        lambda h: h["config"]["blocks"].update(tile_px=1),
        lambda h: h.update(shape=[5, 2**20, 2**20]) or h["config"]["blocks"].update(tile_px=3, tile_overlap_px=1),
        lambda h: h.update(shape=[5, 600, 600]),
        lambda h: h["config"].update(model=LARGE_NETWORK),
        lambda h: h["config"].update(model={**LARGE_NETWORK, "mlp_frequencies_t": -1}),
        lambda h: h.update(config=[]),
        lambda h: h.update(dtype="(2,"),
        lambda h: h.update(record=None),
        lambda h: h["record"].update(seconds=math.inf),
        lambda h: h.update(blocks=None),
        lambda h: h.update(scaling=[0, 1]),
        lambda h: h.update(uncertainty=None),
        lambda h: h.update(uncertainty=[1, 2]),
        lambda h: h["uncertainty"].update(weights=[1]),
        lambda h: h["uncertainty"].update(at_sections=-1),
    ],
)
def test_an_inconsistent_header_is_a_clear_error(saved, change, tmp_path):
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, change))
    with pytest.raises(ModelFileError):
        eg.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
HEADER = [
    "version",
    "shape",
    "voxel_size_nm",
    "origin_nm",
    "dtype",
    "scaling",
    "config",
    "observed",
    "blocks",
    "method",
    "uncertainty",
    "steps",
]


@FUZZ
@given(name=st.sampled_from(HEADER), value=JSON)
def test_any_other_json_in_the_header_is_a_clear_error_or_harmless(saved, name, value, tmp_path):
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, lambda h: h.update({name: value})))
    with contextlib.suppress(ModelFileError):
        eg.load(path).render(0.5)


@FUZZ
@given(setting=st.sampled_from(SETTINGS), value=JSON)
def test_any_other_setting_in_the_header_is_a_clear_error_or_harmless(saved, setting, value, tmp_path):
    group, name = setting
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, lambda h: h["config"][group].update({name: value})))
    with contextlib.suppress(ModelFileError):
        eg.load(path).render(0.5)


@pytest.mark.parametrize("change", [lambda h: h["config"].update(model=LARGE_NETWORK)], ids=["network"])
def test_nothing_large_is_allocated_for_a_small_file(saved, change, tmp_path, monkeypatch):
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, change))
    built = []
    original = torch.nn.Linear.__init__

    def watched(self, *args, **kwargs):
        original(self, *args, **kwargs)
        built.append(self.weight.device.type)

    monkeypatch.setattr(torch.nn.Linear, "__init__", watched)
    with pytest.raises(ModelFileError):
        eg.load(path)
    assert set(built) <= {"meta"}


def test_a_network_of_another_shape_than_declared_is_refused(stack, tmp_path):
    small = {"warmup": 2, "joint": 2, "bootstrap": 2, "mlp_width": 8, "mlp_depth": 2, "spacing_px": 5.0}
    path = eg.reconstruct(stack, preset="paper", **small).save(tmp_path / "m.emgauss")
    path.write_bytes(edited(path.read_bytes(), lambda h: h["config"]["model"].update(mlp_width=4096)))
    with pytest.raises(ModelFileError, match="expected shape"):
        eg.load(path)


def test_loading_leaves_torchs_random_numbers_alone(stack, tmp_path):
    small = {"warmup": 2, "joint": 2, "bootstrap": 2, "mlp_width": 8, "mlp_depth": 2, "spacing_px": 5.0}
    path = eg.reconstruct(stack, preset="paper", **small).save(tmp_path / "m.emgauss")
    before = torch.random.get_rng_state()
    eg.load(path)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_parameters_that_are_not_finite_are_refused(stack, tmp_path):
    small = {"warmup": 2, "joint": 2, "bootstrap": 0, "mlp_width": 8, "mlp_depth": 2, "spacing_px": 5.0}
    result = eg.reconstruct(stack, preset="paper", **small)
    with torch.no_grad():
        result.models[0].gaussians.intensity[0] = float("nan")
    damaged = eg.load(result.save(tmp_path / "nan.emgauss"))
    with pytest.raises(ModelFileError, match="finite"):
        damaged.render(1)


def test_a_model_that_cannot_be_kept_leaves_the_old_file(stack, saved, tmp_path):
    result = eg.reconstruct(stack, newton_steps=1, spacing_px=5.0, adapt_spacing=False)
    with torch.no_grad():
        result.models[0].gaussians.intensity[0] = float("nan")
    path = tmp_path / "m.emgauss"
    path.write_bytes(saved)
    with pytest.raises(ModelFileError, match="cannot be kept"):
        result.save(path)
    assert path.read_bytes() == saved


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.emgauss"):
        eg.load(tmp_path / "nowhere.emgauss")


def test_a_failing_save_leaves_the_old_model(result, saved, tmp_path, monkeypatch):
    path = tmp_path / "m.emgauss"
    path.write_bytes(saved)

    def fail(*args):
        raise OSError("disk full")

    monkeypatch.setattr("napari_emgauss.io.container.shutil.copyfileobj", fail)
    with pytest.raises(OSError, match="disk full"):
        result.save(path)
    assert path.read_bytes() == saved
    assert [p.name for p in tmp_path.iterdir()] == ["m.emgauss"]


@pytest.mark.parametrize("name", ["version-3-anchored", "version-3-mlp", "version-4-anchored"])
def test_models_of_an_earlier_format_draw_what_they_drew(name, tmp_path):
    old, drawn = eg.load(DATA / f"{name}.emgauss"), np.load(DATA / f"{name}.npz")
    again = eg.load(old.save(tmp_path / "new.emgauss"))
    for at in ("z0", "z1.3", "z2.9"):
        image = old.render(float(at[1:]))
        assert image == pytest.approx(drawn[at], rel=1e-4, abs=1e-2)
        # Saved anew they are rounded, unless a network deforms them.
        assert psnr(again.render(float(at[1:])), image, data_range=255) > (50 if "anchored" in name else 120)
    for result in (old, again):
        assert result.uncertainty(0.5) == pytest.approx(drawn["uncertainty"], rel=1e-3, abs=1e-2)
    assert again.config == old.config
    assert old.config.model.field == name.rpartition("-")[2]


def test_a_model_of_before_there_were_priors_tells_its_teacher_by_the_names_of_today():
    old = eg.load(DATA / "version-4-anchored.emgauss")
    assert (old.config.teacher.teacher, old.config.teacher.prior) == ("mixture", False)
    assert "Nothing was taken from other volumes." in describe_evidence(old.record)


def test_saving_what_was_loaded_gives_the_same_file(result, saved, tmp_path):
    first = result.save(tmp_path / "m.emgauss")
    assert first.read_bytes() == saved
    assert eg.load(first).save(tmp_path / "copy.emgauss").read_bytes() == saved


STEPS = Steps.of(EmgaussConfig().model).to_json()


@pytest.mark.parametrize(
    "change",
    [
        lambda h: h.pop("steps"),
        lambda h: h.update(steps=None),
        lambda h: h.update(steps=[1, 2]),
        lambda h: h.update(steps={}),
        lambda h: h.update(steps={**STEPS, "position": 0}),
        lambda h: h.update(steps={**STEPS, "motion": float("nan")}),
        lambda h: h.update(steps={**STEPS, "intensity": "fine"}),
        lambda h: h.update(steps={**STEPS, "opacity": 1.0}),
        lambda h: h.update(version=4),
        lambda h: h["config"].update(model={"field": "mlp"}, teacher={"teacher": "ema"}),
        lambda h: h["config"]["model"].update(motion_grid_px=1, motion="none"),
        lambda h: h["blocks"][0]["offsets"].__setitem__(-1, 10**12),
    ],
)
def test_steps_and_sizes_that_no_model_has_are_refused_when_the_file_is_opened(saved, change, tmp_path):
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, change))
    with pytest.raises(ModelFileError):
        eg.load(path)


@pytest.mark.parametrize("name", [*STEPS])
def test_steps_beyond_all_numbers_are_refused_when_a_block_is_read(saved, name, tmp_path):
    path = tmp_path / "edited.emgauss"
    path.write_bytes(edited(saved, lambda h: h["steps"].update({name: 1e300})))
    with pytest.raises(ModelFileError, match="finite"):
        eg.load(path).render(1.5)


PACKED = ["position", "log_scale", "stretch", "intensity", "motion"]
BOMB = zlib.compress(bytes(2**26), 9, -zlib.MAX_WBITS)


@pytest.mark.parametrize("name", PACKED)
@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: b"",
        lambda data: bytes(len(data)),
        lambda data: data[::-1],
        lambda data: BOMB,
        lambda data: BOMB + data,
    ],
    ids=["truncated", "too long", "empty", "zeros", "reversed", "bomb", "bomb before"],
)
def test_packed_numbers_that_are_damaged_are_refused_without_being_unfolded(result, tmp_path, name, damage):
    held = dict(result._tensors())
    data = damage(held[f"0/{name}"].numpy().tobytes())
    held[f"0/{name}"] = torch.from_numpy(np.frombuffer(data, np.uint8).copy())
    path = write_container(tmp_path / "m.emgauss", "emgauss", result._header(), held.items())
    tracemalloc.start()
    with pytest.raises(ModelFileError, match=r"m\.emgauss"):
        eg.load(path).render(1.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24


@FUZZ
@given(name=st.sampled_from(PACKED), data=st.binary(min_size=1, max_size=40), at=st.floats(0, 1))
def test_any_other_bytes_in_packed_numbers_are_a_clear_error_or_harmless(result, name, data, at, tmp_path):
    held = dict(result._tensors())
    packed = bytearray(held[f"0/{name}"].numpy().tobytes())
    start = int(at * len(packed))
    packed[start : start + len(data)] = data
    held[f"0/{name}"] = torch.from_numpy(np.frombuffer(bytes(packed), np.uint8).copy())
    path = write_container(tmp_path / "m.emgauss", "emgauss", result._header(), held.items())
    with contextlib.suppress(ModelFileError):
        assert np.isfinite(eg.load(path).models[0].gaussians.mean_px.numpy()).all()


def test_only_the_blocks_in_view_are_read(stack, tmp_path):
    settings = {**BLOCKS, "bundle_sections": 3, "spacing_px": 5.0, "use_teacher": False}
    result = eg.reconstruct(stack, bundle_overlap=1, **settings)
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    assert len(again.models) == len(result.models) == 18
    assert again.n_gaussians == result.n_gaussians
    assert again.models.n_kept == 0
    again.render(0.5, region=(0, 8, 0, 8))
    assert again.models.n_kept == 1
    again.render(3.5)
    assert again.models.n_kept == 1 + 9
    assert np.array_equal(again.render(1.9), result.render(1.9))


def test_the_models_in_memory_stay_within_their_limit(stack, tmp_path):
    result = eg.reconstruct(stack, spacing_px=5.0, use_teacher=False, **BLOCKS)
    again = eg.load(result.save(tmp_path / "m.emgauss"))
    one = n_bytes(again.models[0])
    again.models.cache_bytes = int(2.5 * one)
    assert np.array_equal(again.render(1.9), result.render(1.9))
    assert again.models.n_kept == 2


def test_a_model_can_be_saved_over_the_file_that_it_is_read_from(result, tmp_path):
    path = result.save(tmp_path / "m.emgauss")
    first = eg.load(path)
    first.save(path)
    assert np.array_equal(eg.load(path).render(2.5), result.render(2.5))
    assert np.array_equal(first.render(2.5), result.render(2.5))


@pytest.mark.parametrize("extra", [{"0/background": torch.zeros(2)}, {"0/evil": torch.zeros(1)}], ids=["shape", "name"])
def test_tensors_that_no_model_has_are_refused_when_the_file_is_opened(result, tmp_path, extra):
    held = dict(result._tensors()) | extra
    path = write_container(tmp_path / "m.emgauss", "emgauss", result._header(), held.items())
    with pytest.raises(ModelFileError, match="expected"):
        eg.load(path)
