"""What both balancers have from LVS: how real servers are chosen, what states a connection goes through, the hashes.

schedulers/     which real server takes a new connection, one algorithm a file (D 10.3)
protocols/      states, events and timeouts as tables, one protocol a file (D 5.2, 7.2, 8)
flow.py         what a scheduler sees of a packet and of a service
hashes.py       the hashes that decide any of this (D 18)
detour.py       how many frames took the plain path, and why

Nothing here is DPVS's own or the kernel's own; both stand on it, and it knows neither.
"""
