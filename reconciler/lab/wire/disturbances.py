"""What can go wrong between a server that is well and its clients."""

from collections.abc import Callable
from enum import StrEnum

from reconciler.lab.wire.http import Conversation, Hangup, Request, Response, rendered


class Disturbance(StrEnum):
    """One way to fail a client."""

    RESET = "reset"
    """In the middle of an answer that says something."""
    SILENCE = "silence"
    """A request is taken, and never answered."""
    REFUSED_LOGIN = "refused-login"
    """A login that is right is taken for a wrong one."""


Strikes = Callable[[Disturbance], bool]
"""Whether this happens now; each question may use one of several times up."""


def undisturbed(_: Disturbance) -> bool:
    """Nothing ever goes wrong."""
    return False


class DisturbedConversation:
    """A conversation that is cut, or falls silent, when that strikes."""

    def __init__(self, inner: Conversation, strikes: Strikes) -> None:
        self._inner = inner
        self._strikes = strikes

    def answer(self, request: Request) -> Response:
        """The answer to one request; see Conversation."""
        if self._strikes(Disturbance.SILENCE):
            raise Hangup(is_silent=True)
        response = self._inner.answer(request)
        if response.body and self._strikes(Disturbance.RESET):
            whole = rendered(response)
            raise Hangup(with_reset=True, last_words=whole[: len(whole) - len(response.body) // 2])
        return response
