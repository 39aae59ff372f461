"""Fields of many headers at once: gathered and put back through an overlay."""

from __future__ import annotations

import numpy as np
import pytest

from lbreplay.wire.fields import be16, overlay, reversed_flows


@pytest.fixture
def buffer() -> np.ndarray:
    return np.arange(40, dtype=np.uint8)


def test_blocks_are_gathered_from_any_offset(buffer: np.ndarray) -> None:
    """They may overlap, and be odd."""
    blocks = overlay(buffer, 4)[np.array([0, 3, 5, 36])].view(np.uint8).reshape(-1, 4)
    assert blocks.tolist() == [[0, 1, 2, 3], [3, 4, 5, 6], [5, 6, 7, 8], [36, 37, 38, 39]]


def test_blocks_are_put_back(buffer: np.ndarray) -> None:
    """Into the buffer itself, and nowhere else."""
    overlay(buffer, 2)[np.array([7, 20])] = np.array([[1, 2], [3, 4]], np.uint8).view("V2").ravel()
    expected = list(range(40))
    expected[7:9], expected[20:22] = [1, 2], [3, 4]
    assert buffer.tolist() == expected


def test_no_block_runs_over_the_end(buffer: np.ndarray) -> None:
    """The last one ends with the buffer."""
    assert len(overlay(buffer, 40)) == 1
    with pytest.raises(IndexError):
        overlay(buffer, 4)[np.array([37])]


def test_fields_are_big_endian_and_wide_enough() -> None:
    """The high byte is not lost in eight bits."""
    rows = np.array([[0, 0xFF, 0xFE, 0xFD, 0xFC], [9, 0x01, 0x02, 0x03, 0x04]], np.uint8)
    assert be16(rows, 1).tolist() == [0xFFFE, 0x0102] and be16(rows, 1).dtype == np.uint16


@pytest.mark.parametrize("width", [4, 16])
def test_both_ends_are_exchanged(width: int) -> None:
    """Addresses and ports, of rows of either family."""
    source, target = bytes(range(width)), bytes(range(100, 100 + width))
    flows = np.frombuffer((source + target + b"abcd") * 2, np.uint8).reshape(2, -1)
    assert reversed_flows(flows).tobytes() == (target + source + b"cdab") * 2
