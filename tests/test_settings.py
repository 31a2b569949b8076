import dataclasses
from typing import Annotated, Literal

import numpy as np
import pytest
from pydantic import Field

from napari_emgauss.errors import ConfigError
from napari_emgauss.settings import (
    Count,
    Flag,
    Indices,
    Number,
    Positive,
    Share,
    Whole,
    bounds,
    check_names,
    fields_of,
    from_json,
    settings,
)


@settings
class Inner:
    size: Positive = 2.0
    kind: Literal["a", "b"] = "a"


@settings
class Example:
    inner: Inner = Inner()
    needed: Count
    flag: Flag = True
    share: Share = 0.5
    open_share: Annotated[Number, Field(gt=0, lt=1)] = 0.5
    below: Annotated[Number, Field(ge=0, lt=1)] = 0.5
    few: Annotated[Whole, Field(ge=1, le=4)] = 1
    some: Annotated[Whole, Field(ge=2)] = 2
    indices: Indices = ()

    def __post_init__(self) -> None:
        if self.needed == 13:
            raise ConfigError("needed must not be 13.")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"needed": -1}, "needed must not be negative, got -1."),
        ({"needed": True}, "needed must be a whole number, got True."),
        ({"needed": 1.5}, "needed must be a whole number, got 1.5."),
        ({"needed": "1"}, "needed must be a whole number, got '1'."),
        ({"needed": 13}, "needed must not be 13."),
        ({}, "needed is missing."),
        ({"needed": 1, "flag": 1}, "flag must be True or False, got 1."),
        ({"needed": 1, "share": 1.5}, "share must be within 0..1, got 1.5."),
        ({"needed": 1, "share": float("nan")}, "share must be a finite number, got nan."),
        ({"needed": 1, "share": 10**400}, "share must be a finite number, got 1000"),
        ({"needed": 1, "open_share": 1}, "open_share must be between 0 and 1, both excluded, got 1."),
        ({"needed": 1, "below": 1.0}, "below must be within 0..1, 1 excluded, got 1.0."),
        ({"needed": 1, "few": 5}, "few must be within 1..4, got 5."),
        ({"needed": 1, "some": 1}, "some must be at least 2, got 1."),
        ({"needed": 1, "indices": 3}, "indices must be a list of whole numbers, for example (3, 7), got 3."),
        ({"needed": 1, "indices": "37"}, "indices must be a list of whole numbers"),
        ({"needed": 1, "sahre": 1}, "unknown setting 'sahre'. Did you mean share?"),
    ],
)
def test_a_refusal_has_the_value_and_the_rule_in_one_line(values, message):
    with pytest.raises(ConfigError) as refused:
        Example(**values)
    assert str(refused.value).startswith(message)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"size": 0}, "size must be positive, got 0."),
        ({"kind": "c"}, "kind must be one of a, b, got 'c'."),
        ({"kind": []}, "kind must be one of a, b, got []."),
        ({"needed": 1}, "needed does not stand at inner."),
        (3, "inner"),
    ],
)
def test_settings_within_settings_are_refused_alike(values, message):
    with pytest.raises(ConfigError) as refused:
        from_json(Example, {"needed": 1, "inner": values})
    assert str(refused.value).startswith(message)


def test_numbers_of_numpy_are_kept_as_plain_ones():
    made = Example(needed=np.int64(3), share=np.float32(0.25), indices=np.array([1, 2]))
    assert (type(made.needed), type(made.share), made.indices) == (int, float, (1, 2))


def test_settings_are_frozen_compare_and_survive_json():
    made = Example(needed=3, inner=Inner(size=5), indices=[4])
    assert from_json(Example, dataclasses.asdict(made)) == made != Example(needed=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.needed = 4


def test_fields_and_bounds_are_found_by_name():
    found = fields_of(Example)
    assert {"size", "kind", "needed"} < set(found)
    assert "inner" not in found
    assert bounds(found["few"]) == (1, 4)
    assert bounds(found["size"]) == (0, np.inf)


def test_a_name_that_resembles_none_lists_the_known_ones():
    with pytest.raises(ConfigError, match="Known settings: size, kind"):
        check_names(["xyz"], ["size", "kind"])
