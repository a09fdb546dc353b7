"""What a plan does not do in bulk before a person has allowed it."""

from typing import Final

MOST_AT_ONCE: Final = 3
"""Points of one machine that may expire in one plan, whatever share of them they are."""


def is_bulk_expiry(expiring: int, of: int) -> bool:
    """Whether so many points at once look like a slip in a policy rather than like time passing."""
    return expiring > MOST_AT_ONCE and 2 * expiring > of
