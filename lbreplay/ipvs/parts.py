"""What a director is made of, and what it notes of the packet at hand."""

from __future__ import annotations

from lbreplay.ipvs.conn import Connections
from lbreplay.ipvs.defence import Defence
from lbreplay.ipvs.edition import edition
from lbreplay.ipvs.estimate import Estimator
from lbreplay.ipvs.ftp import Helpers
from lbreplay.ipvs.net import Net
from lbreplay.ipvs.service import Services
from lbreplay.ipvs.states import States, synced
from lbreplay.ipvs.sysctl import Sysctls
from lbreplay.ipvs.tracking import Tracking
from lbreplay.loop.clock import Clock
from lbreplay.loop.entry import Conn
from lbreplay.loop.sync import Sync
from lbreplay.model import Setup
from lbreplay.wire.packet import Packet

TABLE_BITS = 12  # of a kernel nobody told otherwise (L 6.1)


class Story:
    """What happened to one packet, for columns, trace and `explain`. States are their names."""

    __slots__ = ("after", "before", "conn", "lookup", "new", "owner", "packet", "reasons", "wrong_worker")

    def __init__(self) -> None:
        self.packet: Packet | None = None
        self.lookup = ""  # "in", "out", "miss"; "" where no table was asked
        self.conn: Conn | None = None
        self.new = False
        self.before = self.after = ""
        self.owner = -1  # there is one worker
        self.wrong_worker = False
        self.reasons: list[str] = []

    @property
    def side(self) -> int:
        """0: from the client, 1: from the real server."""
        return int(self.lookup == "out")


class Parts:
    """One run's parts; those that need others get them from here."""

    def __init__(self, setup: Setup) -> None:
        device = setup.device._replace(rx_ip_checksum_offload=False)  # the kernel always sums IP headers
        self.setup = setup = setup._replace(device=device)
        self.edition = edition(setup.edition)
        self.sysctls = Sysctls(setup.ipvs, self.edition.sysctls)
        self.clock = Clock(self.edition.same_moment)
        self.net = Net(setup, self.clock, self.edition.lowest)
        bits = setup.ipvs.get("conn_tab_bits") or TABLE_BITS
        self.conns = Connections(self.edition, self.sysctls, self.clock, int(str(bits)))
        self.services = Services(self.edition, self.sysctls, self.clock, self.net.is_local)
        self.states = States(self.edition, self.sysctls, dict(setup.ipvs.get("timeout") or {}))  # type: ignore[call-overload]
        self.tracking = Tracking(setup, self.edition, self.sysctls, self.services, self.clock)
        self.helpers = Helpers(setup, self.edition, self.conns, self.states, self.tracking)
        self.defence = Defence(setup.seed, self.edition, self.sysctls, self.clock, self.conns)
        self.estimator = Estimator(self.services.counted, self.sysctls)
        self.sync = Sync(self.clock, self.edition.sync == "6.1", *synced(self.edition.sync))
        self.settle()
        self.conns.on_untracked = self.tracking.forget
        self.conns.on_deferred = self.sync.deferred
        self.story = Story()

    def looked_at(self, family: int) -> bool:
        """Whether the hooks look at packets of IPv4 (4) or IPv6 (6)."""
        return not self.edition.hooks_need_service or self.services.has_family(family)

    def settle(self) -> None:
        """A sysctl may have another value now."""
        self.sync.settle((self.sysctls.threshold, self.sysctls.period), self.sysctls.values)
        self.defence.wake()
