"""A session keeps its password to itself and opens nothing before it is used."""

from reconciler.adapters.hyperv.session import AgentFailure, AgentSession, EndPoint
from reconciler.model.names import HostName

PASSWORD = "Passw0rd!"  # noqa: S105
END_POINT = EndPoint(
    host=HostName("hv1"),
    address="hv1.example",
    port=5986,
    use_tls=True,
    authentication="negotiate",
    user="LAB\\svc",
)


def test_a_session_shows_where_it_goes_and_never_its_password() -> None:
    shown = repr(AgentSession(END_POINT, PASSWORD))

    assert "hv1.example" in shown
    assert PASSWORD not in shown


def test_closing_a_session_that_was_never_opened_does_nothing() -> None:
    session = AgentSession(END_POINT, PASSWORD)

    session.close()
    session.close()


def test_a_failure_carries_its_function_id_and_text() -> None:
    failure = AgentFailure("Get-X", "VMNotFound", "no such machine")

    assert (failure.function, failure.error_id, failure.text) == (
        "Get-X",
        "VMNotFound",
        "no such machine",
    )
    assert str(failure) == "Get-X: no such machine (VMNotFound)"
