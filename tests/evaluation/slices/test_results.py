import math

from napari_emgauss.evaluation.slices import LeftOutEvaluation, LeftOutScore


def test_what_is_not_known_is_a_dash():
    row = LeftOutScore(
        method="x", as_they_lie=math.nan, stack_registered=0.5, slices_registered=0.75, seconds=2.0, memory_mib=3.0
    )
    table = LeftOutEvaluation((row,), "axial", 7).table()
    assert table.splitlines()[-1].split() == ["x", "–", "0.500", "0.7500", "2.0", "3"]
    assert "its 7 slices" in table
