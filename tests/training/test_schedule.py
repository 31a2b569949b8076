import pytest

from napari_emgauss.training import Rate, Schedule, Stage


@pytest.fixture
def schedule() -> Schedule:
    return Schedule(
        stages=(
            Stage(name="first", iterations=10, resting=("slow",)),
            Stage(name="none", iterations=0),
            Stage(name="last", iterations=30),
        ),
        rates={"slow": Rate(1.0, 0.01), "fast": Rate(1.0, 1.0), "off": Rate(0.0, 1.0)},
    )


def test_iterations_belong_to_stages_in_their_order(schedule):
    assert [schedule.stage(i).name for i in (0, 9, 10, 39, 40)] == ["first", "first", "last", "last", "last"]
    assert schedule.total == 40
    assert [schedule.start_of(name) for name in ("first", "none", "last")] == [0, 10, 10]
    with pytest.raises(KeyError):
        schedule.start_of("another")


def test_rates_fall_log_linearly_and_rest_with_their_stage(schedule):
    assert schedule.rate("slow", 5) == 0
    assert schedule.rate("slow", 39) == pytest.approx(0.01)
    assert Rate(1.0, 0.01).at(0.5) == pytest.approx(0.1)
    assert schedule.rate("fast", 5) == 1
    assert schedule.rate("off", 20) == 0
