import numpy as np
import pytest

from napari_emgauss.methods.emgauss import preset
from napari_emgauss.methods.emgauss.schedule import Curriculum, sections_per_step
from napari_emgauss.methods.emgauss.schedule import schedule as schedule_of


def curriculum(name: str, **settings) -> Curriculum:
    config = preset(name, **settings)
    return Curriculum(config, schedule_of(config, 3, 100))


@pytest.fixture
def paper() -> Curriculum:
    return curriculum("paper", warmup=2000, joint=1000, bootstrap=15_000)


def test_the_published_stages_and_ramp(paper):
    assert [paper.schedule.stage(i).name for i in (0, 1999, 2000, 2999, 3000, 17_999)] == [
        "warm-up", "warm-up", "joint", "joint", "bootstrap", "bootstrap",
    ]  # fmt: skip
    assert paper.schedule.total == 18_000
    assert curriculum("paper").schedule.total == 18_000 / 4  # for a bundle of three
    assert [paper.pseudo_weight(i) for i in (0, 3000, 6500, 10_000, 17_999)] == pytest.approx([0.1, 0.1, 0.55, 1, 1])


def test_the_field_rests_during_warm_up_and_its_rate_falls_as_published(paper):
    assert paper.schedule.rate("field", 1999) == 0
    assert paper.schedule.rate("field", 17_999) == pytest.approx(1.6e-6)


def test_sections_are_counted_where_each_has_its_own_gaussians():
    assert curriculum("fast", bootstrap=10).schedule.total == 3 * (3 + 10)


def test_a_gpu_draws_several_sections_per_step():
    assert [sections_per_step(preset("fast"), device) for device in ("cpu", "cuda")] == [1, 4]
    assert sections_per_step(preset("fast", sections_per_step=3), "cpu") == 3


def test_the_share_of_pseudo_supervision_grows_and_is_zero_before_bootstrapping(paper):
    rng = np.random.default_rng(0)
    shares = [np.mean([paper.draws_pseudo(i, rng) for _ in range(2000)]) for i in (2999, 3000, 10_500, 17_999)]
    assert shares[0] == 0
    assert shares[1:] == pytest.approx([0.1, 0.3, 0.5], abs=0.04)


def test_unobserved_depths_spread_from_mid_gaps_to_anywhere(paper):
    rng = np.random.default_rng(0)
    z = [0.0, 1.0, 3.0]

    def drawn(iteration):
        return np.array([paper.unobserved(iteration, z, rng) for _ in range(500)])

    assert set(drawn(3000)) == {0.5, 2.0}
    assert set(drawn(9000)) == {0.25, 0.5, 0.75, 1.5, 2.0, 2.5}
    late = drawn(17_000)
    assert len(set(late)) > 400
    assert late.min() > 0
    assert late.max() < 3


def test_noise_on_z_stays_within_the_neighbouring_gaps():
    noisy = curriculum("paper", z_jitter_start=5.0, z_jitter_end=5.0)
    rng = np.random.default_rng(0)
    drawn = [noisy.jittered(0, [0.0, 1.0, 3.0], 1, rng) for _ in range(300)]
    assert min(drawn) >= 0
    assert max(drawn) <= 3
    assert curriculum("balanced").jittered(0, [0.0, 1.0, 3.0], 1, rng) == 1.0


def test_gauss_newton_steps_come_first_for_every_section_of_an_anchored_model():
    schedule = curriculum("balanced", newton_steps=4, joint=2).schedule
    assert [schedule.stage(i).name for i in (0, 11, 12)] == ["solve", "solve", "joint"]
    assert schedule.total == 3 * (4 + 2)
    paper = curriculum("paper").schedule
    assert "solve" not in {paper.stage(i).name for i in range(paper.total)}
