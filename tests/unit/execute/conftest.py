from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from reconciler.execute.workbench import ResumePace, Tools
from reconciler.record.catalogue import Catalogue

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def make_tools(tmp_path: Path) -> Iterator[Callable[..., Tools]]:
    """Tools that reach no host and no repository, unless the test gives its own."""

    def unneeded(*_: object) -> Any:
        raise AssertionError("not needed here")

    with Catalogue.open(tmp_path / "catalogue.sqlite") as catalogue:

        def make(**others: Any) -> Tools:
            usual: dict[str, Any] = {
                "catalogue": catalogue,
                "server": catalogue.server_id,
                "clock": lambda: NOON,
                "lease_clock": lambda: NOON,
                "owner": "owner",
                "open_host": unneeded,
                "repository": unneeded,
                "repository_to_read": unneeded,
                "place": unneeded,
                "resuming": ResumePace(every_s=0.0, for_s=0.0),
            }
            return Tools(**(usual | others))

        yield make
