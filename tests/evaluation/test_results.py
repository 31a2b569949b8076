"""Results of an evaluation whose scores are known."""

import csv
import json

import numpy as np
import pytest

from napari_emgauss.evaluation import evaluate

FACTOR = 4


def oracle(volume, noise=0.0):
    """A method that knows the truth, up to noise."""
    rng = np.random.default_rng(1)

    def factory(_thinned):
        return lambda z: volume.section(round(z * FACTOR)) + noise * rng.standard_normal(volume.shape[1:]).astype("f4")

    return factory


def test_phases_average_to_the_mean(result):
    phases = [p for p in result.phases if p.method == "linear"]
    assert [p.phase for p in phases] == [1, 2, 3]
    assert np.mean([p.psnr_db for p in phases]) == pytest.approx(result["linear"].psnr_db)
    assert phases[1].psnr_db < min(phases[0].psnr_db, phases[2].psnr_db)  # the middle is the hardest


def test_verdict_says_by_how_much_a_reconstruction_wins(result):
    best, own = result["flow+blur0.7"], result["noisy truth"]
    if result["linear"].psnr_db > best.psnr_db:
        best = result["linear"]
    text = result.verdict()
    assert f"Best plain baseline on this stack: {best.method}" in text
    assert f"noisy truth beats it: {own.psnr_db - best.psnr_db:+.2f} dB" in text
    assert "on 12 of 12 withheld sections" in text


def test_verdict_admits_defeat(volume):
    text = evaluate(volume, FACTOR, ["linear", ("noise", oracle(volume, 200.0))]).verdict()
    assert "noise does not beat it: -" in text
    assert "on 0 of 12" in text


def test_verdict_asks_for_a_baseline(volume):
    assert "add flow+blur" in evaluate(volume, FACTOR, {"truth": oracle(volume)}).verdict()


def test_table_is_aligned_and_names_the_window(result):
    text = str(result)
    assert "Gaussian 11 × 11" in text
    assert "scores of the 12 withheld ones" in text
    means = text.split("\n\n")[1].splitlines()
    assert len({len(line) for line in means}) == 1
    assert [line.split("  ")[0] for line in means[1:]] == ["linear", "flow+blur0.7", "noisy truth"]


def test_unknown_method_names_the_scored_ones(result):
    with pytest.raises(KeyError, match="linear, flow"):
        result["cubic"]


def test_csv_holds_every_row(result, tmp_path):
    result.to_csv(tmp_path / "scores.csv")
    with (tmp_path / "scores.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [sum(row["scope"] == scope for row in rows) for scope in ("mean", "phase", "section")] == [3, 9, 36]
    assert float(rows[0]["psnr_db"]) == result["linear"].psnr_db


def test_json_is_strict_and_holds_the_means(volume, tmp_path):
    result = evaluate(volume, FACTOR, {"truth": oracle(volume)})
    result.to_json(tmp_path / "scores.json")
    content = json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert content["methods"][0]["psnr_db"] is None  # infinite
    assert content["methods"][0]["ssim"] == pytest.approx(1)
    assert content["factor"] == FACTOR
    assert len(content["sections"]) == 12
