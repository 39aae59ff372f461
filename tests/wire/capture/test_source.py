"""Bytes from files and pipes: whole chunks from the one, what is there from the other."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest
from captures import frames, pcap_head, record, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture import open_capture
from lbreplay.wire.capture.source import PATIENCE, Source


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    return path


def feed(path: Path, *parts: bytes, pause: float = 0.0) -> threading.Thread:
    def run() -> None:
        with open(path, "wb", buffering=0) as pipe:
            for part in parts:
                pipe.write(part)
                time.sleep(pause)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_a_file_fills_what_it_can(tmp_path: Path) -> None:
    """From a file a call gives all it is asked for, less only at the end; the bytes looked at are not lost."""
    with Source(str(write(tmp_path, bytes(range(200))))) as source:
        view = memoryview(bytearray(150))
        assert source.head == bytes(range(16))
        assert source.fill(view) == 150 and bytes(view) == bytes(range(150))
        assert source.fill(view) == 50
        assert source.fill(view) == 0


def test_a_fast_pipe_gives_large_pieces(fifo: Path) -> None:
    """What a pipe brings without a pause comes as one piece, though it holds but 64 KiB at a time."""
    thread = feed(fifo, bytes(1 << 20))
    with Source(str(fifo)) as source:
        assert source.fill(memoryview(bytearray(1 << 20))) == 1 << 20
    thread.join()


def test_a_slow_pipe_is_not_waited_for(fifo: Path) -> None:
    """A frame from a live capture is delivered when it is there, not when a chunk is full."""
    some = frames(2)
    release = threading.Event()

    def run() -> None:
        with open(fifo, "wb", buffering=0) as pipe:
            pipe.write(pcap_head() + record(some[0]))
            release.wait(5)
            pipe.write(record(some[1]))

    thread = threading.Thread(target=run)
    thread.start()
    with open_capture(str(fifo)) as capture:
        bursts = capture.bursts(4096)
        before = time.monotonic()
        assert next(bursts).frame(0) == some[0]
        assert time.monotonic() - before < PATIENCE + 2
        release.set()
        assert next(bursts).frame(0) == some[1]
        assert list(bursts) == []
    thread.join()


def test_a_pipe_in_bits(fifo: Path) -> None:
    """Bytes that arrive one by one are a capture all the same."""
    thread = feed(fifo, *[bytes([byte]) for byte in pcap_head() + record(frames(1)[0])], pause=0.0005)
    with open_capture(str(fifo)) as capture:
        assert [burst.frame(0) for burst in capture.bursts(4)] == frames(1)
    thread.join()


@pytest.mark.parametrize("name, why", [("nowhere", "No such file or directory"), (".", "Is a directory")])
def test_unreadable(tmp_path: Path, name: str, why: str) -> None:
    """A path that cannot be read is one line: the path, and why."""
    with pytest.raises(CaptureError, match=f"{name}: cannot be read: {why}"):
        Source(str(tmp_path) + "/" + name)
