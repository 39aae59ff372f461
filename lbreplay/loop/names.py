"""Numbers that the loop and those around it agree on. Whoever compiles says of each which C type it has."""

from __future__ import annotations

NONE = -1
NEVER = 1 << 62  # a time that does not come, ns

# why the loop came back
DONE, PLAIN, CLOCK = range(3)

# what moves a state: TCP flags, or UDP_STEP; tables of states are by side, step and state
UDP_STEP = 256
STEPS = UDP_STEP + 1
STATES = 16  # of a protocol, at most

# columns `full`: full NAT, SNAT or OTHER; from DIRECT on answers do not pass here, and what leaves is what came, but
# for its MACs, or in an outer header. Of rows alone TELLING: full NAT of a datagram that tells the client's address;
# PROXYING: of a segment that has a proxy header put in; TRANSIT: for somebody else, its TTL lowered. TEMPLATE: no
# connection, but whose a client's connections are (D 2.7). Of rows behind a SYN proxy STORMY: full NAT of a segment
# whose numbers go as the real server sent them (D 6.5); ANSWERED, RESET: turned round into SYN|ACK (D 6.1), into RST
OTHER, FULL_TCP, FULL_UDP, SNAT, TELLING, PROXYING, STORMY, DIRECT, TUNNEL, TRANSIT, ANSWERED, RESET, TEMPLATE = range(
    13
)

# column `met`: the real server's side was heard of; the client's MACs are still to be learned, behind the datagrams
# that told its address (TRAILS: there are some to come); answers come in elsewhere than on the connection's worker;
# its service puts a proxy header before the client's first byte (D 5.8); it is behind a SYN proxy (D 6)
MET, BARE, TRAILS, AWAY, PROXIED, BEHIND = 1, 2, 4, 8, 16, 32
SIDES = 5  # of tables of states: in, out, in where answers do not pass here, in and out of SNAT

ORDERS = 256  # places in the order of arming that a frame has: timers before it take the first half, itself the second

MISSED_BIT = 62  # of what packets for nobody are remembered by (`Loop.asked`): another worker has their connection

# column `lookup`: none, in, out, miss
LOOKED_UP, MISSED = 1, 3

UNKNOWN = -1  # where answers come in differs from port to port

MOST = 1 << 18  # answers of lists, and ways, that are remembered at once
HOME = 5  # numbers of where answers come in: queue, rank, by, reta, rule

# the frame
TCP, UDP = 6, 17
FIN, SYN, RST, ACK = 1, 2, 4, 16
PURE = SYN | ACK | FIN | RST  # the flags that tell a first packet (D 5.1)
M32 = 0xFFFFFFFF
ETHERNET = 14  # bytes of its header

# tuples (loop/table.py): whose, and the mark of IPv6 in word 1
ANYBODY = -1
SIX = 6 << 40

NO_PORT = -1
ANY = -1  # of the devices of services that are found by ranges: not tested
MAX_TRIALS = 16  # local addresses tried for one connection (D 11.1)

CODES = 256  # verdicts: they fit a byte

# column `reason`: why the balancer let go of a row; what packets for nobody are told by comes behind these
UNTOLD, HANDED_ON = range(2)

# options of TCP: their kinds; bytes of the header before them
EOL, NOP, MSS, WSCALE, SACK_OK, SACK, TIMESTAMP, TOA = 0, 1, 2, 3, 4, 5, 8, 254
BASE = 20

# SYN proxies (D 6.1): bits of a cookie's data, and those that say nothing; the MSS by what they say, and what a SYN
# without the option says; minutes that a cookie is valid; the greatest window scale; the window of a SYN to a real
# server; ns of a microsecond, after how many of which timestamps begin again
SACK_BIT, TIMESTAMP_BIT, WSCALE_SHIFT, MSS_SHIFT = 21, 20, 16, 12
UNUSED = 0xFFF
MSS_TABLE = 64, 256, 512, 536, 1024, 1280, 1440, 1452, 1460, 4312
MSS_ABSENT = 536
MAX_AGE = 4
MAX_WSCALE = 14
SYN_WINDOW = 5000
MICROSECOND, SECOND, CLOCK = 1000, 1_000_000_000, 100_000_000
