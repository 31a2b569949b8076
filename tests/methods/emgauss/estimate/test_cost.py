import pytest

from napari_emgauss.methods.emgauss.estimate.cost import MOST_CONSTANT, Cost


def test_what_takes_a_time_of_its_own_and_more_by_size_is_told_for_any_size():
    def seconds(n_px):
        return 0.3 + 0.002 * n_px

    cost = Cost.through({100: seconds(100), 400: seconds(400)})
    assert [cost.seconds(n_px) for n_px in (100, 400, 10_000)] == pytest.approx(
        [seconds(n_px) for n_px in (100, 400, 10_000)]
    )


def test_one_size_tells_in_proportion():
    assert Cost.through({100: 2.0}).seconds(250) == pytest.approx(5.0)


@pytest.mark.parametrize(("small", "share"), [(3.0, MOST_CONSTANT), (0.01, 0.0)])
def test_times_that_cannot_be_meant_keep_the_larger_one_and_tell_something_plausible(small, share):
    cost = Cost.through({100: small, 400: 2.0})
    assert cost.seconds(400) == pytest.approx(2.0)
    assert cost.constant == pytest.approx(share * 2.0)
