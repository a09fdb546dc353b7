from datetime import time, timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from reconciler.policy.values import (
    Address,
    Duration,
    LocalTime,
    Name,
    SecretReference,
    Text,
    VmGuid,
    Zone,
    shown_duration,
)


def read(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value, strict=True)


def problem(kind: Any, value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        read(kind, value)
    (detail,) = caught.value.errors()
    return str(detail["msg"])


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("15m", timedelta(minutes=15)),
        ("36h", timedelta(hours=36)),
        ("30d", timedelta(days=30)),
        ("36500d", timedelta(days=36500)),
    ],
)
def test_a_duration_has_one_spelling(text: str, duration: timedelta) -> None:
    assert read(Duration, text) == duration
    assert shown_duration(duration) == text


@pytest.mark.parametrize(
    "text", ["30 days", "30", 30, "0m", "-1d", "1w", "1h30m", "30D", "", None, True, "30d\n", "²d"]
)
def test_anything_else_is_no_duration(text: object) -> None:
    assert "15m, 36h or 30d" in problem(Duration, text)


def test_a_duration_that_no_calendar_reaches_is_refused() -> None:
    assert "hundred years" in problem(Duration, "36501d")
    assert "hundred years" in problem(Duration, "99999999d")


def test_a_time_of_day_is_hours_and_minutes() -> None:
    assert read(LocalTime, "08:00") == time(8)
    assert read(LocalTime, "23:59") == time(23, 59)


@pytest.mark.parametrize("text", ["8:00", "24:00", "08:60", "08:00:00", 480, "noon", None])
def test_anything_else_is_no_time_of_day(text: object) -> None:
    assert "08:00 or 22:30" in problem(LocalTime, text)


@pytest.mark.parametrize("name", ["a", "hv1", "main-1", "a" * 63])
def test_names_are_lower_case_words(name: str) -> None:
    assert read(Name, name) == name


@pytest.mark.parametrize("name", ["", "1a", "-a", "A", "a_b", "a" * 64, "hv1\n", "ä"])
def test_other_names_are_refused(name: str) -> None:
    assert "lower-case letters" in problem(Name, name)


def test_a_refused_name_comes_with_one_that_would_do() -> None:
    with pytest.raises(ValidationError) as caught:
        read(Name, "Finance Group")
    assert caught.value.errors()[0]["ctx"]["hint"] == "'finance-group' would do"


@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"])
def test_zones_are_those_of_iana(zone: str) -> None:
    assert read(Zone, zone) == zone


@pytest.mark.parametrize("zone", ["Europe", "Berlin", "../etc/passwd", "localtime", "", "CEST "])
def test_other_zones_are_refused(zone: str) -> None:
    assert "there is no time zone" in problem(Zone, zone)


@pytest.mark.parametrize("address", ["hv1", "hv1.example.com", "127.0.1.1", "::1", "HV_1", "a.b."])
def test_addresses_are_host_names_or_numbers(address: str) -> None:
    assert read(Address, address) == address


@pytest.mark.parametrize(
    "address", ["", "http://hv1", "hv1:5985", "1.2.3.400", "a b", "-a", "a..b", "a" * 254, "hv1\n"]
)
def test_other_addresses_are_refused(address: str) -> None:
    assert "expected a host name or IP address" in problem(Address, address)


def test_the_id_of_a_machine_is_kept_in_lower_case() -> None:
    assert read(VmGuid, "6F9619FF-8B86-D011-B42D-00C04FC964FF") == (
        "6f9619ff-8b86-d011-b42d-00c04fc964ff"
    )
    assert "expected the id" in problem(VmGuid, "{6f9619ff-8b86-d011-b42d-00c04fc964ff}")


@pytest.mark.parametrize("reference", ["env:LAB_PASSWORD", "file:.lab/password", "file:C:\\x"])
def test_a_secret_is_a_reference(reference: str) -> None:
    assert read(SecretReference, reference) == reference


@pytest.mark.parametrize(
    "literal", ["hunter2", "env:", "env:A-B", "file:", 4711, None, ["hunter2"]]
)
def test_a_literal_secret_is_refused_and_never_repeated(literal: object) -> None:
    with pytest.raises(ValidationError) as caught:
        read(SecretReference, literal)
    (detail,) = caught.value.errors(include_input=False)
    assert "does not belong" in detail["msg"]
    assert "hunter2" not in repr(detail)
    assert "4711" not in repr(detail)


def test_a_backslash_in_double_quotes_is_recognised() -> None:
    with pytest.raises(ValidationError) as caught:
        read(Text, "LAB\reconciler")
    assert "single quotes" in caught.value.errors()[0]["ctx"]["hint"]


def test_text_is_not_blank_and_not_long() -> None:
    assert "blanks" in problem(Text, "  ")
    assert "255" in problem(Text, "a" * 256)
