"""What the picture of the results reads from the pages."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.results_figure import LAB, VOLUMES, gains, segmented, tables

PAGE = """# Results

## neurons
| method | VI | IoU |
|---|---|---|
| truth | 2.0 | 0.8 |
| linear | 4.0 | 0.7 |
| flow | 3.5 | 0.6 |
| emgauss:balanced | 3.6 | 0.75 |

## other
| method | VI | IoU |
|---|---|---|
| truth | 9.0 | 0.9 |
"""


def test_a_reconstruction_wins_only_over_the_best_interpolation():
    lost = segmented(PAGE, "neurons", "method", "VI", "", smaller_is_better=True)
    won = segmented(PAGE, "neurons", "method", "IoU", "", smaller_is_better=False)
    assert (lost.truth, lost.plain, lost.ours, lost.won) == (2.0, 3.5, 3.6, False)
    assert (won.plain, won.ours, won.won) == (0.7, 0.75, True)


def test_the_page_of_results_has_every_volume_at_every_factor():
    page = (LAB / "results.md").read_text(encoding="utf-8")
    for volume in VOLUMES:
        assert list(gains(page, volume)) == ["×4", "×6", "×8", "×10"]


def test_whole_volumes_whose_planes_were_tuned_on_are_not_drawn():
    page = (LAB / "results.md").read_text(encoding="utf-8")
    rows = [row for row in tables(page, "fib25_sample2")[0] if row["method"] == "balanced" and row["factor"] == "×6"]
    of_crops, of_whole = (next(row for row in rows if words in row["where"]) for words in ("report crop", "whole"))
    assert of_crops["PSNR mean"] != of_whole["PSNR mean"]
    assert gains(page, "fib25_sample2")["×6"]["PSNR mean"] == float(of_crops["PSNR mean"])
