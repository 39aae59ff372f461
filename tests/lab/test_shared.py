"""A capture read and parsed once gives the same bursts to everybody."""

import craft
import numpy as np
from lab.made_capture import capture, frames, setup

from lbreplay.burst import Burst
from lbreplay.lab.shared import GIVEN, Shared, forget, kept, share
from lbreplay.loop.parse import COLUMNS, parse
from lbreplay.nic.cards import judging
from lbreplay.wire.capture import open_capture


def columns(burst: Burst) -> dict[str, np.ndarray]:
    """What the reader and parsing fill, of rows that have it."""
    of = {"flow4": burst.family == 4, "wide": burst.family == 6}
    return {name: getattr(burst, name)[of.get(name, slice(None))] for name in (*GIVEN[1:], *COLUMNS)}


def test_the_same_bursts(tmp_path):
    """Column by column, whatever was parsed; IPv6 rows and bursts without any."""
    made = [*frames(5), craft.syn("[2001:db8::1]:5", "[2001:db8::2]:80"), *frames(3)]
    path, made_setup = capture(tmp_path, made), setup()
    shared = share(path, made_setup, 7, tmp_path)
    with open_capture(path) as source:
        for plain, again in zip(source.bursts(7), Shared.mapped(tmp_path).bursts(7), strict=True):
            parse(plain, *judging(made_setup))
            assert again.first == plain.first
            for row in range(plain.size):
                assert again.frame(row) == plain.frame(row)
            for name, column in columns(plain).items():
                assert np.array_equal(column, columns(again)[name]), name
        assert (shared.frames, shared.bytes, shared.last_ns) == (source.frames, source.bytes, source.last_ns)
        assert shared.info == source.info


def test_writing_into_one_changes_no_other(tmp_path):
    """Maps are private: what a replay does to its bytes stays with it."""
    share(capture(tmp_path), setup(), 4096, tmp_path)
    first = next(Shared.mapped(tmp_path).bursts(1))
    first.buffer[:] = 0
    first.simple &= False
    second = next(Shared.mapped(tmp_path).bursts(1))
    assert second.buffer.any() and second.simple.any()


def test_the_last_is_kept(tmp_path):
    """For whoever works for others: parsed once, until it is another file, or for another port; then it goes."""
    path = capture(tmp_path)
    folder = kept(path, setup())
    assert kept(path, setup("workers=2")) == folder and Shared.mapped(folder).frames == 96
    other = kept(path, setup('device.mac="02:00:00:00:00:09"'))
    assert other != folder and not folder.exists()
    capture(tmp_path, frames(5))
    assert Shared.mapped(kept(path, setup())).frames == 20
    forget()
    assert not other.exists()


def test_suits(tmp_path):
    """What parsing asks of the port decides whether the columns serve another setting."""
    shared = share(capture(tmp_path), setup(), 4096, tmp_path)
    assert shared.suits(setup("workers=16", "device.driver=i40e"))
    assert not shared.suits(setup('device.mac="02:00:00:00:00:09"'))
    assert not shared.suits(setup("device.rx_ip_checksum_offload=false"))
