import json
import math
from dataclasses import asdict, replace

from benchmarks.gpu import BIG, MISSING, NOTES, PASSES, Measured, Training, notes_on, page

from napari_emgauss.evaluation.pace import Pace

PACE = Pace(
    forward_s=1e-4, backward_s=3e-4, graph_s=2e-4, copied=2e12, bytes_moved=4_000_000, operations=4e8, peak=5e13
)
TRAINING = Training("fast", "CPU", 12.0, math.nan, None, 1.0, 2_000_000, math.nan, math.nan, {"solve": 9.0})


def test_the_page_says_that_figures_are_missing_until_there_are_some():
    assert MISSING in page(Measured(), BIG)
    assert MISSING not in page(Measured({"a card": PACE}), BIG)


def test_shares_are_of_what_the_card_could_do_and_unknown_bounds_stay_empty():
    text = page(Measured({"a card": PACE, "CPU": replace(PACE, peak=math.nan)}, [TRAINING]), BIG)
    assert "| a card | 0.1 | 0.3 | 0.2 | 0.008 | 0.002 | 50 | 2000 |" in text
    assert "| CPU | 0.1 | 0.3 | 0.2 | – | 0.002 | – | 2000 |" in text
    assert "| `fast` | CPU | 12.0 | – | – | 2.00 | – | – |" in text
    assert "solve 9.0" in text


def test_what_a_self_test_reported_is_shown():
    assert "```text\nok speed\n```" in page(Measured({"a card": PACE}), BIG, report="ok speed\n")


def test_the_page_tells_the_number_of_passes_that_the_bound_is_made_of():
    assert f"{PASSES} times" in page(Measured(), BIG)


def test_a_training_that_was_stopped_says_how_far_it_came():
    stopped = replace(TRAINING, share=0.25, first_s=14.0, alike=None)
    assert "| stopped after 12.0, 25.0% of the iterations | 14 | – |" in page(Measured({"a": PACE}, [stopped]), BIG)


def test_what_is_written_by_hand_stays_on_the_page():
    notes = f"{NOTES}\n\nFast.\n\n### More\n\nText."
    text = page(Measured({"a card": PACE}), BIG, notes=notes, report="ok speed")
    assert notes_on(text).strip() == notes
    assert page(Measured({"a card": PACE}), BIG, notes=notes_on(text), report="ok speed") == text
    assert notes_on(page(Measured(), BIG)) == ""


def test_what_was_measured_before_is_read_and_replaced_by_what_is_measured_again(tmp_path):
    (tmp_path / "kept.json").write_text(json.dumps(asdict(Measured({"a card": PACE}, [TRAINING]))))
    known = Measured.read(tmp_path / "kept.json")
    known.add(replace(TRAINING, device="a card"))
    known.add(replace(TRAINING, seconds=1.0))
    assert known.paces == {"a card": PACE}
    assert [(t.device, t.seconds) for t in known.trainings] == [("a card", 12.0), ("CPU", 1.0)]
