"""Which worker sees a packet. Functions of columns; no packet bytes (S 1, S 2).

profiles        the drivers: hash keys, table sizes, what they hash, what rules they hold; data, a source each
rss             the Toeplitz hash and the indirection table
flow_director   rules of local addresses: which a NIC holds, and the look-up of a row's rule
strategies/     who owns which local port, and the rules that follow from it
steer           Nic: rules first, RSS for the rest
"""
