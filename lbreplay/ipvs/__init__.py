"""The kernel's IPVS: what `profile = "ipvs"` replays through (L, interface 8).

A frame is one buffer that walks through netfilter; what is ordinary is the loop's (loop/kernel.py), on records.

    director.py    Director: rows in order, each after the timers and events due before it
    compile.py     the director as records for the loop, and what that asks
    path.py        input, routing, and the hooks of an edition in their order
    request.py     ip_vs_in: look-up, scheduling, state, transmit      reply.py   ip_vs_out
    icmp.py        errors about connections, both ways                 ftp.py     the FTP helper
    schedule.py    who takes a new connection, persistence, refusals   sip.py     persistence by Call-ID
    xmit.py        NAT, direct routing, tunnels, bypass; what is too long
    conn.py        connections, beside what loop/entry.py does         states.py  state tables
    service.py     services                    dest.py  real servers   schedulers/  what differs from lvs/schedulers
    trash.py       where deleted real servers wait
    defence.py     drop_entry and drop_packet
    edition.py     what differs between kernels, by name               sysctl.py  net.ipv4.vs.*
    fragments.py   putting together and taking apart
    addresses.py   groups, broadcasts, martians                        options.py  IPv4 options
    events.py      changes in the middle of a replay         view.py      frames the director did not receive
    estimate.py    rates, as /proc/net/ip_vs_stats has them
    listing.py     what ipvsadm would list
    tracking.py    connection tracking, as far as it shows   tracker.py   its entries, TCP's states and windows
    skb.py nat.py net.py    a packet on its way, its rewriting, the stack it leaves by      hashes.py   table buckets
    ends.py        what a connection is found by
"""
