"""What Kerberos says is understood by its codes, whether or not its libraries are here."""

import pytest

from reconciler.adapters.kerberos import kerberos_trouble

BASE = -1765328384


class Krb5Error(Exception):
    """As the library krb5 raises it."""

    def __init__(self, text: str, number: int) -> None:
        super().__init__(f"{text} {BASE + number}")
        self.err_code = BASE + number


class GssError(Exception):
    """As the library gssapi raises it: its numbers have no sign."""

    def __init__(self, text: str, number: int, major: int = 13 << 16) -> None:
        super().__init__(
            f"Major ({major}): Unspecified GSS failure, Minor ({BASE + number + 2**32}): {text}"
        )
        self.maj_code = major
        self.min_code = BASE + number + 2**32


class WrappedError(Exception):
    """As spnego hands one on."""

    def __init__(self, base_error: Exception) -> None:
        super().__init__(f"SpnegoError (4294967295): {base_error}, Context: Processing a token")
        self.base_error = base_error


@pytest.mark.parametrize("wrap", [lambda error: error, WrappedError], ids=["bare", "wrapped"])
def test_a_code_is_the_same_with_its_sign_and_without(wrap: type[WrappedError]) -> None:
    by_krb5 = kerberos_trouble(wrap(Krb5Error("Clock skew too great", 37)))
    by_gss = kerberos_trouble(wrap(GssError("Clock skew too great", 37)))

    assert by_krb5 is not None
    assert by_krb5 == by_gss
    assert by_krb5.reason == "Clock skew too great"
    assert "same time" in by_krb5.hint


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (1, "in the directory"),
        (6, "name@REALM"),
        (7, "'address'"),
        (14, "AES"),
        (18, "unlock"),
        (23, "new password"),
        (24, "check the password"),
        (29, "port 88"),
        (31, "check the password"),
        (32, "kinit"),
        (33, "same time"),
        (41, "setspn -X"),
        (44, "setspn -X"),
        (134, "name@REALM"),
        (136, "krb5.conf"),
        (141, "KRB5_CLIENT_KTNAME"),
        (154, "port 88"),
        (156, "port 88"),
        (174, "check the password"),
        (181, "KRB5_CLIENT_KTNAME"),
        (195, "KRB5_CLIENT_KTNAME"),
        (224, "default_realm"),
        (8, "KRB5_TRACE"),
    ],
)
def test_each_code_has_a_next_step(number: int, hint: str) -> None:
    trouble = kerberos_trouble(Krb5Error("some reason", number))

    assert trouble is not None
    assert hint in trouble.hint
    assert trouble.is_passing == (number in {29, 154, 156})
    assert trouble.is_expired == (number == 32)


@pytest.mark.parametrize("major", [11 << 16, 12 << 16])
def test_what_is_over_may_be_had_anew(major: int) -> None:
    trouble = kerberos_trouble(GssError("Success", 0, major))

    assert trouble is not None
    assert trouble.is_expired


def test_an_error_is_known_by_what_it_comes_from() -> None:
    outer = ValueError("outer")
    outer.__cause__ = Krb5Error("Password has expired", 23)

    found = kerberos_trouble(outer)

    assert found is not None
    assert found.reason == "Password has expired"


def test_other_errors_and_rings_of_them_are_none_of_kerberos() -> None:
    first, second = ValueError("a"), ValueError("b")
    first.__cause__, second.__cause__ = second, first

    assert kerberos_trouble(first) is None
    assert kerberos_trouble(None) is None
