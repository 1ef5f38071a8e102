"""certctl's own NamedTuple behaves as that of typing does."""

from __future__ import annotations

import pickle
import typing
from collections.abc import Callable
from typing import Any

import pytest

from certctl.core.steps import Step
from certctl.values import NamedTuple


class Ours(NamedTuple):
    """Three fields, one of them with a default."""

    first: int
    second: str
    third: bool = False

    def doubled(self) -> int:
        return self.first * 2


class Theirs(typing.NamedTuple):
    """The same."""

    first: int
    second: str
    third: bool = False


class Empty(NamedTuple):
    """No field at all."""


def test_it_is_not_the_one_of_typing() -> None:
    """What is compared below are two different makers."""
    assert hasattr(Ours, "_required")
    assert not hasattr(Theirs, "_required")


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(1, "two"),
        lambda kind: kind(1, "two", True),
        lambda kind: kind(1, second="two"),
        lambda kind: kind(second="two", first=1, third=True),
        lambda kind: kind._make([1, "two", True]),
        lambda kind: kind(1, "two")._replace(second="three"),
    ],
)
def test_the_same_call_makes_the_same_value(make: Callable[[Any], Any]) -> None:
    """By place, by name, with defaults, from a sequence, as a changed copy."""
    ours, theirs = make(Ours), make(Theirs)
    assert isinstance(ours, Ours)
    assert ours == theirs
    assert hash(ours) == hash(theirs)
    assert ours._asdict() == theirs._asdict()
    assert (ours.first, ours.second, ours.third) == tuple(theirs)
    assert repr(ours) == repr(theirs).replace("Theirs", "Ours")


@pytest.mark.parametrize(
    "make",
    [
        lambda kind: kind(),
        lambda kind: kind(1),
        lambda kind: kind(second="two"),
        lambda kind: kind(1, "two", True, 4),
        lambda kind: kind(1, "two", first=1),
        lambda kind: kind(1, "two", fourth=4),
        lambda kind: kind(1, "two", True, third=False),
        lambda kind: kind._make([1]),
        lambda kind: kind(1, "two")._replace(fourth=4),
    ],
)
def test_what_does_not_fit_is_refused_by_both(make: Callable[[Any], Any]) -> None:
    """Too little, too much, twice, or unknown: never a value with a hole in it."""
    for kind in (Ours, Theirs):
        with pytest.raises((TypeError, ValueError)):
            make(kind)


def test_a_value_does_not_change() -> None:
    """Neither a field nor anything else can be assigned."""
    for name in ("first", "other"):
        with pytest.raises(AttributeError):
            setattr(Ours(1, "two"), name, 3)


def test_a_value_survives_pickling_and_matching() -> None:
    """Values cross to other processes, and match by place."""
    for value in (Ours(1, "two"), Step("write", "mx", "missing")):
        assert pickle.loads(pickle.dumps(value)) == value
        assert type(pickle.loads(pickle.dumps(value))) is type(value)
    match Ours(1, "two", True):
        case Ours(first, "two", third):
            assert (first, third) == (1, True)


def test_a_class_keeps_what_is_not_a_field() -> None:
    """Methods stay, and no fields is right too."""
    assert Ours(4, "").doubled() == 8
    assert Empty() == ()
    assert Ours._fields == Theirs._fields
    assert Ours._field_defaults == Theirs._field_defaults
    assert typing.get_type_hints(Ours) == typing.get_type_hints(Theirs)


def test_a_field_without_a_default_cannot_follow_one_with() -> None:
    """As in a call: it would have no place."""
    maker: Any = type(Ours)
    with pytest.raises(TypeError, match="without a default"):
        maker("Wrong", (tuple,), {"__annotations__": {"first": int, "second": int}, "first": 1})
