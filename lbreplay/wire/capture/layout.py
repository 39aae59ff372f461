"""Laying out the bytes of a burst: record header, frame, record header, frame, without a gap.

Where the capture is laid out so already, its chunk is what the burst has. Else rows are gathered (loop/lay.py).
"""

from __future__ import annotations

from lbreplay.burst import PAD, RECORD, Burst, Room
from lbreplay.loop.lay import Layer
from lbreplay.wire.capture.frames import ETHERNET_LINK, Frames


def lay_out(frames: Frames, start: int, stop: int, first: int, layer: Layer, room: Room) -> Burst:
    """Rows *start* to *stop* as a burst in *room*; *first* is the number of its first frame."""
    begin = frames.at[start] - RECORD if frames.dense else 0
    end = frames.at[stop - 1] + frames.caplen[stop - 1]
    burst = Burst(first, frames.buffer[begin : end + PAD], stop - start, room)
    layer.fill(burst, frames.at, frames.caplen, frames.length, frames.time_ns, start, begin)
    if not frames.dense:
        _gather(frames, start, stop, layer, burst)
    if not frames.native:
        layer.put_heads(burst)
    return burst


def _gather(frames: Frames, start: int, stop: int, layer: Layer, burst: Burst) -> None:
    """Frames that lie apart, or under other link headers: copied row by row."""
    if isinstance(frames.linktype, int) and frames.linktype == ETHERNET_LINK:
        layer.gather(burst, frames.buffer, None)
        return
    from lbreplay.wire.capture.link import as_ethernet

    linktype = frames.linktype if isinstance(frames.linktype, int) else frames.linktype[start:stop]
    links = as_ethernet(burst, frames.buffer, linktype)
    layer.gather(burst, frames.buffer, links.more.data)
    links.put(burst)
