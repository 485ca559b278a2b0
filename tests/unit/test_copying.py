"""Copies that are made quickly are the copies that `dataclasses.replace` makes."""

from dataclasses import FrozenInstanceError, dataclass, fields, replace

import pytest
from fakes.records import operation, running

from gateway.copying import copier
from gateway.model import Operation


@pytest.mark.parametrize("record", [operation(), running(7, percent=12.5, request_ids=((b"a", b"b"),))])
@pytest.mark.parametrize("name", [field.name for field in fields(Operation)])
def test_it_is_what_replace_makes(record: Operation, name: str) -> None:
    copied = copier(Operation, name)(record, "other")
    assert copied == replace(record, **{name: "other"})  # type: ignore[arg-type] # a value is a value here
    assert type(copied) is Operation
    assert hash(copied) == hash(replace(copied))


def test_values_are_given_in_the_order_of_the_names() -> None:
    copied = copier(Operation, "polls", "id")(running(), 3, "two")
    assert (copied.polls, copied.id) == (3, "two")


def test_the_copy_is_as_frozen_and_the_record_untouched() -> None:
    record = running()
    copied = copier(Operation, "polls")(record, 3)
    with pytest.raises(FrozenInstanceError):
        copied.polls = 4  # type: ignore[misc] # that is the point
    assert record == running()


def test_a_field_that_is_none_is_found_out_at_once() -> None:
    @dataclass(frozen=True, slots=True)
    class Small:
        one: int

    assert copier(Small, "one")(Small(1), 2) == Small(2)
    with pytest.raises(TypeError, match="Small has no field two"):
        copier(Small, "two")
