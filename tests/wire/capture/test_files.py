"""Several captures named as one."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from captures import T0, frames, pcap_head, record, write

from lbreplay.errors import CaptureError
from lbreplay.wire.capture import Merged, open_capture


def test_what_cannot_be_opened(tmp_path: Path) -> None:
    """The file is named."""
    one = write(tmp_path, pcap_head(), record(frames(1)[0], T0), name="one.pcap")
    with pytest.raises(CaptureError, match=r"none\.pcap: cannot be read"):
        open_capture(Merged([("dpdk0", str(one)), ("dpdk1", str(tmp_path / "none.pcap"))]))
    with pytest.raises(CaptureError, match=r"text: offset 0: a pcap or pcapng capture expected"):
        open_capture(Merged([("dpdk0", str(one)), ("dpdk1", str(write(tmp_path, b"no capture at all", name="text")))]))


def test_it_is_sent_to_other_processes() -> None:
    """A path like any other, with its parts."""
    path = Merged([("dpdk0", "a"), ("dpdk1", "b")])
    again = pickle.loads(pickle.dumps(path))
    assert (again, again.parts) == ("a + b", path.parts)
