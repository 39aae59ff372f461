"""The virtual servers of the workers: who takes a connection, from which local address, and what state it is in.

    server.py      VirtualServer, Dest, Servers: one worker's living copies of services and real servers (D 10.1, 10.2)
    schedulers/    which real server takes a new connection, one algorithm a file (D 10.3)
    laddr.py       which local address and port a full-NAT connection leaves from (D 11)
    acl.py         black and white lists (D 14.2)
    hashes.py      the hashes that decide any of this (D 18)
    protocols/     states, events and timeouts as tables, one protocol a file (D 5.2, 7.2, 8)
"""
