"""What the plain path notes of one packet on its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbreplay.dpvs.conn import IN

if TYPE_CHECKING:
    from lbreplay.dpvs.conn import Conn
    from lbreplay.wire.packet import Packet


class Story:
    """What the plain path noted of one packet, for the columns, the trace and `explain`."""

    __slots__ = (
        "after", "before", "conn", "lookup", "new", "owner", "packet", "quoted", "reasons", "side", "wrong_worker",
    )  # fmt: skip

    def __init__(self) -> None:
        self.lookup = ""  # "in", "out", "miss"; "" where no table was asked
        self.conn: Conn | None = None
        self.side = IN
        self.new = False
        self.before = self.after = -1  # states
        self.owner = -1  # rank that handled it, where the receiver handed it on
        self.wrong_worker = False
        self.reasons: list[str] = []
        self.packet: Packet | None = None  # as it was received
        self.quoted: Packet | None = None  # what goes on in its place (D 19, 10)
