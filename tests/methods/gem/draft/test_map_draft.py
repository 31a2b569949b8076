import numpy as np

from napari_emgauss.methods.gem.draft import MapDraft
from napari_emgauss.methods.gem.resolution import CROSS, GOLD, PLAIN


def test_a_draft_knows_more_with_every_half(particles, reconstructed):
    draft = MapDraft(particles)
    assert draft.map() is None
    assert draft.resolution() is None
    filtered = 0.5 * (reconstructed.plain[0] + reconstructed.plain[1])
    draft.begin(particles, filtered, reconstructed.plain)
    assert np.array_equal(draft.map().values, filtered)
    assert set(draft.resolution().curves) == {PLAIN}
    assert draft.images(particles, [0]) is None
    draft.learned(0, reconstructed.models[0])
    assert set(draft.resolution().curves) == {CROSS, PLAIN}
    draft.learned(1, reconstructed.models[1])
    assert set(draft.resolution().curves) == {CROSS, GOLD, PLAIN}
    assert np.array_equal(draft.images(particles, [0, 5]), reconstructed.images(particles, [0, 5]))


def test_what_a_draft_holds_stays_as_it_was_when_the_training_goes_on(particles, reconstructed):
    draft = MapDraft(particles)
    model = reconstructed.models[0]
    draft.learned(0, model)
    before = draft.map().values
    model.gaussians.amplitude.mul_(2.0)
    try:
        assert np.array_equal(draft.map().values, before)
    finally:
        model.gaussians.amplitude.mul_(0.5)
