import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_emgauss.errors import FileFormatError, ModelFileError
from napari_emgauss.forward import AnchoredField, SectionModel
from napari_emgauss.gaussians import Gaussians
from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.model import BlockShape, model_values, rounded
from napari_emgauss.methods.emgauss.model.building import build_model, motion_grid_shape
from napari_emgauss.methods.emgauss.model.packing import SETS, check_packed, packed_state, unpacked_model
from napari_emgauss.methods.emgauss.model.rounding import Steps

CONFIG = preset("fast")
STEPS = Steps.of(CONFIG.model)
PLACE = BlockShape((0.0, 1.0, 2.0), (48, 40))
GRID_PX = [np.arange(-7.0, side + 9.5, 3.5) for side in PLACE.shape]
SEEDS = st.integers(0, 2**32 - 1)


def scattered(seed: int, counts: tuple[int, int, int], spread: float = 20.0) -> SectionModel:
    """Three sections with so many Gaussians, anywhere, on top of motion without order."""
    rng = np.random.default_rng(seed)
    n = sum(counts)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return torch.from_numpy(rng.normal(0, scale, shape).astype(np.float32))

    gaussians = Gaussians(
        {
            "mean_px": normal(n, 2, scale=spread),
            "log_scale": normal(n, 2),
            "angle_rad": normal(n, scale=3.0),
            "opacity_logit": torch.zeros(n),
            "intensity": normal(n),
        }
    )
    grid = (2, 2, *motion_grid_shape(CONFIG.model, PLACE.shape))
    offsets = [0, *np.cumsum(counts).tolist()]
    field = AnchoredField(list(PLACE.z), offsets, PLACE.shape, normal(*grid, scale=5.0), normal(*grid, scale=5.0))
    return rounded(SectionModel(gaussians, field, PLACE.shape, mode="sum", background=0.4), CONFIG)


def at_its_start(seed: int = 0) -> SectionModel:
    """A model at its start."""
    sections = np.random.default_rng(seed).random((3, *PLACE.shape), dtype=np.float32)
    return rounded(build_model(CONFIG, list(PLACE.z), sections, np.random.default_rng(seed)), CONFIG)


def on_a_grid(seed: int = 0) -> SectionModel:
    """Three sections of Gaussians on a jittered grid of 3.5 px, from -7 px on, row after row."""
    y, x = GRID_PX
    model = scattered(seed, (len(y) * len(x),) * 3)
    grid = np.stack(np.meshgrid(y, x, indexing="ij"), -1).reshape(-1, 2)
    jitter = np.random.default_rng(seed).uniform(-0.5, 0.5, (3, *grid.shape))
    means = torch.from_numpy((grid + jitter).reshape(-1, 2).astype(np.float32))
    model.load_state_dict({"gaussians.mean_px": means}, strict=False)
    return rounded(model, CONFIG)


def unpacked(tensors, model: SectionModel) -> SectionModel:
    return unpacked_model(CONFIG, PLACE, tensors, model_values(model), STEPS)


def n_bytes(tensors) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def described(tensors):
    """Types and shapes as a file declares them."""
    names = {torch.float32: "F32", torch.uint8: "U8"}
    return {name: (names[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items()}


@given(seed=SEEDS, counts=st.tuples(*[st.integers(0, 40)] * 3), spread=st.sampled_from([0.0, 20.0, 20_000.0]))
def test_a_rounded_model_comes_back_number_for_number(seed, counts, spread):
    model = scattered(seed, counts, spread)
    tensors = packed_state(model, STEPS)
    assert check_packed(CONFIG, PLACE, described(tensors), model_values(model)) == sum(counts)
    again = unpacked(tensors, model).state_dict()
    assert all(torch.equal(again[name], tensor) for name, tensor in model.state_dict().items())


def test_gaussians_at_their_start_take_a_fifth_of_their_numbers():
    model = at_its_start()
    tensors = packed_state(model, STEPS)
    exact = n_bytes({name: tensor for name, tensor in model.state_dict().items() if name != "gaussians.opacity_logit"})
    assert n_bytes(tensors) < exact / 5


def test_grids_are_found_whatever_they_are():
    table = packed_state(on_a_grid(), STEPS)[SETS].numpy()
    assert (table[:, 0] == len(GRID_PX[1])).all()
    assert table[:, 1:3] * STEPS.position == pytest.approx(-7.0, abs=1)
    assert table[:, 3:5] * STEPS.position == pytest.approx(3.5, abs=0.1)


def test_the_order_of_a_grid_saves_bytes():
    model = on_a_grid()
    before = packed_state(model, STEPS)["position"].numel()
    n = model.field.anchored.offsets[1]
    order = torch.cat([k * n + torch.randperm(n, generator=torch.Generator().manual_seed(0)) for k in range(3)])
    shuffled = {f"gaussians.{name}": values[order] for name, values in model.gaussians.values().items()}
    model.load_state_dict(shuffled, strict=False)
    assert before < 0.9 * packed_state(model, STEPS)["position"].numel()


def test_motion_that_is_smooth_and_reversed_takes_few_bytes():
    model = at_its_start()
    rough = packed_state(scattered(0, (1, 1, 1)), STEPS)["motion"].numel()
    y, x = torch.meshgrid(*(torch.linspace(-3, 3, n) for n in model.field.up.shape[2:]), indexing="ij")
    model.field.up.data[:] = torch.stack([y + x, 2 * x])
    model.field.down.data[:] = -model.field.up
    assert packed_state(model, STEPS)["motion"].numel() < rough / 2


@given(seed=SEEDS, data=st.data())
def test_damaged_bytes_are_refused_or_make_a_model(seed, data):
    model = at_its_start(seed % 3)
    tensors = packed_state(model, STEPS)
    name = data.draw(st.sampled_from(["position", "log_scale", "stretch", "intensity", "motion"]))
    held = tensors[name].clone()
    at = data.draw(st.integers(0, held.numel() - 1))
    held[at] = held[at] ^ data.draw(st.integers(1, 255))
    try:
        again = unpacked({**tensors, name: held}, model)
    except FileFormatError:
        pass
    else:
        assert all(torch.isfinite(tensor).all() for tensor in again.state_dict().values())
    with pytest.raises(FileFormatError):
        unpacked({**tensors, name: tensors[name][:at]}, model)
    with pytest.raises(FileFormatError):
        unpacked({**tensors, name: torch.cat([tensors[name], held[:1]])}, model)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 1e30])
@pytest.mark.parametrize("column", range(6))
def test_grids_that_are_none_are_refused(column, value):
    model = at_its_start()
    tensors = packed_state(model, STEPS)
    table = tensors[SETS].clone()
    table[1, column] = value
    with pytest.raises(ModelFileError, match="finite grids"):
        unpacked({**tensors, SETS: table}, model)


def test_a_grid_without_columns_is_refused():
    model = at_its_start()
    tensors = packed_state(model, STEPS)
    with pytest.raises(ModelFileError, match="at least one column"):
        unpacked({**tensors, SETS: torch.zeros_like(tensors[SETS])}, model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda held: held.pop("motion"), "lacks motion"),
        (lambda held: held.pop("background"), "lacks background"),
        (lambda held: held.update(evil=("U8", (3,))), "evil is U8 .* expected no such tensor"),
        (lambda held: held.update(position=("F32", (30_000,))), "expected bytes"),
        (lambda held: held.update(position=("U8", (300, 100))), "expected bytes"),
        (lambda held: held.update(stretch=("U8", (5,))), "5 bytes for"),
        (lambda held: held.update(sets=("F32", (4, 6))), "sets is"),
        (lambda held: held.update(sets=("U8", (3, 6))), "sets is"),
    ],
)
def test_tensors_that_can_hold_no_model_are_refused_unread(change, message):
    model = at_its_start()
    held = described(packed_state(model, STEPS))
    change(held)
    with pytest.raises(ModelFileError, match=message):
        check_packed(CONFIG, PLACE, held, model_values(model))


@pytest.mark.parametrize("n", [10**6, 10**12, 10**30])
def test_more_gaussians_than_the_bytes_can_hold_are_refused_unread(n):
    model = at_its_start()
    values = model_values(model)
    values["offsets"][-1] = n
    with pytest.raises(ModelFileError, match="a byte can hold"):
        check_packed(CONFIG, PLACE, described(packed_state(model, STEPS)), values)


def test_models_with_a_network_are_never_packed():
    config = preset("paper", mlp_width=8, mlp_depth=2)
    with pytest.raises(ModelFileError, match="field='mlp'"):
        check_packed(config, PLACE, {}, {})
