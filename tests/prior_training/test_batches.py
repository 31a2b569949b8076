"""Training examples of the prior."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from prior_training.batches import FACTORS, MOST_VOXELS, ExampleSource, IsotropicVolume

from napari_emgauss.errors import VolumeError


def source_of(data, *, seed=0, **changes):
    volume = IsotropicVolume(data, torch.device("cpu"))
    return ExampleSource(volume, **{"reach": 2, "batch": 8, "side_px": 16, "n_phases": 3, **changes}, seed=seed)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).integers(0, 256, (90, 90, 90), np.uint8)


@pytest.fixture(scope="module")
def ramp():
    """Intensities that rise alike along all axes."""
    return np.add.outer(np.add.outer(np.arange(90), np.arange(90)), np.arange(90)).astype(np.uint8)


def test_examples_have_the_shapes_and_ranges_that_the_network_is_told(noise):
    source = source_of(noise)
    for _ in range(20):
        examples = source.draw()
        assert examples.sections.shape == (8, 4, 16, 16)
        assert examples.hidden.shape == (8, 3, 16, 16)
        assert examples.gaps_px.shape == (8, 3)
        assert ((examples.phases > 0) & (examples.phases < 1)).all()
        own = examples.gaps_px[:, 1]
        assert (own >= min(FACTORS) / 2).all()
        assert (own <= MOST_VOXELS / 0.5).all()
        assert (examples.gaps_px >= 0).all()
        assert torch.isfinite(examples.sections).all()


def test_a_section_that_does_not_exist_repeats_its_neighbour_at_distance_0(noise):
    source, seen = source_of(noise), 0
    for _ in range(30):
        examples = source.draw()
        for sections, gaps in zip(examples.sections, examples.gaps_px, strict=True):
            for missing, neighbour, gap in ((0, 1, 0), (3, 2, 2)):
                assert bool(gaps[gap] == 0) is torch.equal(sections[missing], sections[neighbour])
                seen += bool(gaps[gap] == 0)
    assert seen > 10


def test_hidden_planes_lie_at_the_phase_that_is_claimed(monkeypatch):
    """Where intensities rise along the gap, the sections around it, blended at the phase, are the hidden plane."""
    ramp = np.broadcast_to((2 * np.arange(100))[:, None, None], (100, 100, 100))
    monkeypatch.setattr("prior_training.batches.ORDERS", ((0, 1, 2),) * 3)
    monkeypatch.setattr(ExampleSource, "_changed", lambda self, images, n: (images[:, :n], images[:, n:]))
    source = source_of(np.ascontiguousarray(ramp, np.uint8))
    for _ in range(10):
        examples = source.draw()
        wanted = torch.lerp(
            examples.sections[:, 1, None], examples.sections[:, 2, None], examples.phases[..., None, None]
        )
        torch.testing.assert_close(examples.hidden, wanted, atol=0.05, rtol=0)


def test_the_same_seed_gives_the_same_examples(ramp):
    first, same, other = source_of(ramp), source_of(ramp), source_of(ramp, seed=1)
    for _ in range(3):
        a, b, c = first.draw(), same.draw(), other.draw()
        assert torch.equal(a.sections, b.sections)
        assert torch.equal(a.hidden, b.hidden)
        assert not torch.equal(a.sections, c.sections)


def test_a_volume_too_small_for_the_widest_gaps_or_the_largest_pixels_is_refused(noise):
    with pytest.raises(VolumeError, match="at least 84 voxels"):
        source_of(noise[:83])
    with pytest.raises(VolumeError, match="at least 101 voxels"):
        source_of(noise, side_px=64)
