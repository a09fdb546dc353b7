from collections.abc import Callable

import pytest

from reconciler.errors import CatalogueError
from reconciler.model.names import DiskId, RctId
from reconciler.record import encoding


@pytest.mark.parametrize(
    "decode", [encoding.intent, encoding.progress, encoding.outcome, encoding.rct_ids]
)
@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', "null"])
def test_damaged_text_is_an_error_of_the_catalogue(
    decode: Callable[[str], object], text: str
) -> None:
    with pytest.raises(CatalogueError, match="damaged") as caught:
        decode(text)

    assert caught.value.hint


@pytest.mark.parametrize("decode", [encoding.intent, encoding.progress, encoding.outcome])
def test_text_with_other_fields_is_an_error_of_the_catalogue(
    decode: Callable[[str], object],
) -> None:
    with pytest.raises(CatalogueError, match="damaged"):
        decode('{"unheard_of": 1}')


def test_rct_ids_come_back_as_they_were() -> None:
    ids = {DiskId("d1"): RctId('rct:8:"quoted"\u2028'), DiskId("d2"): RctId("")}

    assert encoding.rct_ids(encoding.rct_ids_text(ids)) == ids
