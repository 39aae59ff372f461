"""Numbers with their nouns."""

import pytest

from lbreplay.phrases import plural


@pytest.mark.parametrize(
    "number, word, said",
    [
        (1, "client", "1 client"),
        (0, "service", "0 services"),
        (2, "address", "2 addresses"),
        (1, "address", "1 address"),
        (3, "entry", "3 entries"),
        (1200, "real server", "1,200 real servers"),
        (2, "delay", "2 delays"),
        (2, "match", "2 matches"),
    ],
)
def test_plural(number: int, word: str, said: str) -> None:
    """One is one; the others have an ending, as English has it."""
    assert plural(number, word) == said
