import math
from dataclasses import replace

from benchmarks.gpu import BIG, MISSING, PASSES, Training, page

from napari_emgauss.evaluation.pace import Pace

PACE = Pace(
    forward_s=1e-4, backward_s=3e-4, graph_s=2e-4, copied=2e12, bytes_moved=4_000_000, operations=4e8, peak=5e13
)


def test_the_page_says_that_figures_are_missing_until_there_are_some():
    assert MISSING in page({}, [], BIG)
    assert MISSING not in page({"a card": PACE}, [], BIG)


def test_shares_are_of_what_the_card_could_do_and_unknown_bounds_stay_empty():
    training = Training("fast", "CPU", 12.0, 2_000_000, math.nan, math.nan, {"solve": 9.0})
    text = page({"a card": PACE, "CPU": replace(PACE, peak=math.nan)}, [training], BIG)
    assert "| a card | 0.1 | 0.3 | 0.2 | 0.008 | 0.002 | 50 | 2000 |" in text
    assert "| CPU | 0.1 | 0.3 | 0.2 | – | 0.002 | – | 2000 |" in text
    assert "| `fast` | CPU | 12.0 | 2.00 | – | – |" in text
    assert "solve 9.0" in text


def test_what_a_self_test_reported_is_shown():
    assert "```text\nok speed\n```" in page({"a card": PACE}, [], BIG, "ok speed\n")


def test_the_page_tells_the_number_of_passes_that_the_bound_is_made_of():
    assert f"{PASSES} times" in page({}, [], BIG)
