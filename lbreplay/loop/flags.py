"""Numbers of the kernel's connections, that compiled modules and the others agree on (beside `names.py`)."""

from __future__ import annotations

# connections of the kernel: flags, and sides as they are entered into the table
NOOUTPUT, INACTIVE, NO_CPORT, TEMPLATE, ONE_PACKET, NFCT = 0x80, 0x100, 0x800, 0x1000, 0x2000, 0x10000
IN_THERE, OUT_THERE = 1, 2
NAT, DIRECTED, TUNNEL, OTHERWISE = range(4)  # how their packets leave
IP_IN_IP, GUE, GRE = range(3)  # and what a tunnel is
OUTER4, OUTER6 = 20, 40  # bytes of its IP header
SYNCED, CLOSING, STEADY = 1, 2, 4  # bits of a state: a backup is told at all, when it is reached, by number of packets
