"""What both balancers have from LVS: how real servers are chosen, what states a connection goes through, the hashes.

Nothing here is DPVS's own or the kernel's own; both stand on it, and it knows neither.
"""
