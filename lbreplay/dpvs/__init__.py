"""The virtual servers of the workers: who takes a connection, from which local address, and what state it is in.

balancer.py     every row of a burst on its worker: by the loop (lbreplay/loop), or by what it comes back with
opener.py       who opens connections in the loop
links.py        with which MACs the loop sends (D 12.3)

path.py         the plain path: one packet through the hooks of DPVS in its order (D 1.5)
schedule.py     a new connection: a real server picked, a local end bound, a place in the tables (D 2.4)
modes.py        the forwarding modes; forwarding/: as what the first packet leaves, one mode a file (D 5.4-5.8)
translate.py    one packet of a connection, translated; xmit.py: sent (D 12)
synproxy.py     the client answered first (D 6); icmp.py: errors about connections (D 9)
view.py         where the capture was taken (interface 3); early.py: answers seen before their connection

machine.py      the lcores and the little they share (D 2.1, D 4.4); events.py: an operator's changes (D 3)
resolve.py      next hops asked for their MACs, packets that wait (device.resolve)
conn.py         connections and their table (D 2.2); story.py: what the plain path notes of one packet
expiry.py       how they end (D 2.5)
server.py       one worker's living copies of services and real servers (D 10.1); destcheck.py: their check (D 10.5)
laddr.py        which local address and port a full-NAT connection leaves from (D 11)
acl.py          black and white lists (D 14.2)
"""
