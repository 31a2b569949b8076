from dataclasses import dataclass

from benchmarks.svr import Options, plan
from benchmarks.svr_page import page


@dataclass(frozen=True)
class Measured:
    table: str
    brain: str
    method: str


def test_a_table_has_a_row_for_what_is_known_and_says_where_nothing_is():
    score = {"psnr_db": 25.123, "ssim": 0.9, "correlation": None, "motion_deg": float("nan"), "seconds": 3.4}
    left_out = {"as_they_lie": 0.7, "stack_registered": 0.9, "slices_registered": 0.95, "seconds": 12.0}
    text = page(
        [
            (Measured("known motion", "ch2", "cg"), score),
            (Measured("known motion", "ch2", "svr"), None),
            (Measured("unknown motion", "ch2", "svr"), None),
            (Measured("real stacks", "fetus", "svr"), left_out),
        ]
    )
    assert "| ch2 | cg | 25.12 | 0.9000 | – | – | – | – | – | 3 |" in text
    assert "## Unknown motion\n\nNot measured." in text
    assert "| fetus | svr | 0.700 | 0.900 | 0.9500 | 12 |" in text


def test_every_case_of_the_benchmark_has_a_name_of_its_own(tmp_path):
    options = Options(tuning=tmp_path / "mni.nii", report=tmp_path / "ch2.nii", real=tmp_path)
    names = [one.name for one in plan(options)]
    assert len(set(names)) == len(names)
