"""Drafts of stacks in training."""

import numpy as np
import pytest

from napari_emgauss.errors import UncertaintyUnavailableError
from napari_emgauss.io.store import JobMemory
from napari_emgauss.methods.emgauss import reconstruct
from napari_emgauss.methods.emgauss.draft import Draft
from napari_emgauss.methods.emgauss.model import model_state
from napari_emgauss.methods.emgauss.setup import prepare
from napari_emgauss.resampling.interpolated import InterpolatedStack
from napari_emgauss.resampling.protocol import Renderable

TILES = {
    "tile_px": 33, "tile_overlap_px": 8, "teacher": "ema", "joint": 2, "bootstrap": 0, "correct_sections": "none",
    "adapt_spacing": False, "newton_steps": 1,
}  # fmt: skip


@pytest.fixture(scope="module")
def setup(stack):
    """Four tiles, drawn by optical flow until they are trained."""
    return prepare(stack, device="cpu", **TILES)


@pytest.fixture(scope="module")
def trained(stack):
    return reconstruct(stack, device="cpu", **TILES)


@pytest.fixture
def store(trained):
    """All blocks, trained."""
    store = JobMemory()
    for block, model in enumerate(trained.models):
        store.save_done(block, *model_state(model))
    return store


def test_it_offers_all_that_planes_ask_for(setup, stack):
    draft = Draft(setup, JobMemory())
    for member in (m for m in vars(Renderable) if not m.startswith("_")):
        assert hasattr(draft, member), member
    volume = draft.lazy()
    assert volume.metadata["napari-emgauss"] == {
        "draft": True,
        "interpolated": "flow+blur0.7",
        "observed": [0, 1, 2, 3, 4],
        "blocks_trained": "0 of 4",
    }
    assert (volume.shape, volume.dtype) == ((25, 48, 40), stack.dtype)
    with pytest.raises(UncertaintyUnavailableError):
        draft.uncertainty(1.5)


@pytest.mark.parametrize(("settings", "method"), [({}, "learned"), ({"prior": False}, "flow+blur0.7")])
def test_at_first_it_is_the_best_interpolation_of_the_sections_that_are_trained_on(stack, settings, method):
    draft = Draft(prepare(stack, device="cpu", hold_out=(2,), **settings), JobMemory())
    expected = InterpolatedStack(stack, method, leave_out=(2,))
    for z in (0.4, 2.0):
        np.testing.assert_array_equal(draft.render(z), expected.render(z))
    assert (draft.observed, draft.held_out) == ((0, 1, 3, 4), (2,))


def test_blocks_take_its_place_one_by_one_and_cross_fade(setup, store, trained):
    draft = Draft(setup, JobMemory())
    before, full = draft.render(1.4), trained.render(1.4)
    some = Draft(setup, JobMemory())
    some._store = store
    some.planned(setup)
    np.testing.assert_allclose(some.render(1.4), full, atol=1e-3)
    draft._store.save_done(0, *store.load_done(0))
    draft.trained(0)
    mixed = draft.render(1.4)
    np.testing.assert_allclose(mixed[:15, :7], full[:15, :7], atol=1e-3)
    np.testing.assert_allclose(mixed[33:], before[33:], atol=1e-3)
    own = setup.scaling.restore(trained.models[0].render(1.4))[15:33, 5]
    seam, low, high = mixed[15:33, 5], np.minimum(before[15:33, 5], own), np.maximum(before[15:33, 5], own)
    assert ((seam >= low - 1e-2) & (seam <= high + 1e-2)).all()


def test_regions_zooms_and_cuts_are_those_of_its_sections(setup, store):
    draft = Draft(setup, JobMemory())
    draft._store.save_done(1, *store.load_done(1))
    draft.trained(1)
    whole = draft.render(1.4)
    np.testing.assert_allclose(draft.render(1.4, region=(4, 40, 6, 36)), whole[4:40, 6:36], atol=1e-3)
    assert draft.sketch(1.4, zoom=0.5, sharp=0.5, known={}).shape == (24, 20)
    planes = draft.planes()
    np.testing.assert_allclose(planes[:, 20].astype(float), planes[...][:, 20], atol=1)


def test_cuts_through_learned_drafts_take_trained_blocks_from_their_gaussians(stack):
    settings = {**TILES, "teacher": "mixture"}
    setup, full = prepare(stack, device="cpu", **settings), reconstruct(stack, device="cpu", **settings)
    store = JobMemory()
    draft, expected = Draft(setup, store), InterpolatedStack(stack, "learned")
    for block in (0, 1):
        store.save_done(block, *model_state(full.models[block]))
        draft.trained(block)
    zs = [0.2, 1.7, 3.5]
    np.testing.assert_allclose(draft.lines(zs, axis=1, index=4), full.lines(zs, axis=1, index=4), atol=1e-2)
    np.testing.assert_allclose(draft.lines(zs, axis=1, index=44), expected.lines(zs, axis=1, index=44), atol=1e-3)


def test_what_the_end_of_a_training_took_away_is_interpolated_again(setup, store):
    draft = Draft(setup, store)
    draft.planned(setup)
    store.clear()
    np.testing.assert_array_equal(draft.render(1.4), InterpolatedStack(setup.volume, "flow+blur0.7").render(1.4))


def test_it_says_what_is_drawn(setup, store, stack):
    draft = Draft(prepare(stack, device="cpu", **{**TILES, "teacher": "mixture"}), JobMemory())
    assert draft.label(1.5, rough=True) == "first draft: optical flow + blur"
    assert draft.label(1.5) == "draft: learned interpolation"
    np.testing.assert_array_equal(draft.rough.render(1.5), InterpolatedStack(stack, "flow+blur0.7").render(1.5))
    draft = Draft(setup, JobMemory())
    assert draft.label(1.5) == "draft: optical flow + blur"
    for block in range(4):
        draft._store.save_done(block, *store.load_done(block))
        draft.trained(block)
        if block == 1:
            assert draft.label(1.5) == "draft: optical flow + blur, 2 of 4 parts trained"
    assert draft.label(1.5) == "trained"


def test_a_model_that_is_gone_on_from_is_drawn_until_its_blocks_are_trained(stack, trained):
    draft, before = Draft(prepare(stack, device="cpu", start=trained), JobMemory()), trained.render(1.4)
    np.testing.assert_allclose(draft.render(1.4), before, atol=1e-3)
    for block, model in enumerate(trained.models):
        tensors, values = model_state(model)
        dim = {name: 0.5 * tensor if name == "gaussians.intensity" else tensor for name, tensor in tensors.items()}
        draft._store.save_done(block, dim, values)
        draft.trained(block)
    assert np.abs(draft.render(1.4) - before).mean() > 5


def test_blocks_of_an_earlier_run_are_drawn_once_it_is_known_how_the_stack_was_cut(stack, setup, store):
    whole = prepare(stack, device="cpu", **{**TILES, "tile_px": 640})
    draft = Draft(whole, store)
    np.testing.assert_array_equal(draft.render(1.4), InterpolatedStack(stack, "flow+blur0.7").render(1.4))
    draft.planned(setup)
    assert draft.label(1.4) == "trained"
