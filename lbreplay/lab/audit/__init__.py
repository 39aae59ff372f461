"""What a real card and a real balancer did, held against the model (`lbreplay audit`, interface 9).

recorded.py   queue and hash that a capture has beside its frames, as columns
hold.py       the same, frame by frame, beside what a configuration gives
toeplitz.py   from hashes to the key: linear equations over GF(2)
table.py      from hashes and queues to the redirection table
rules.py      packets whose queue is not the table's: which bits of which port decide
solve.py      all of them together: the settings of a card
settings.py   settings as TOML
legs.py       both legs of a real balancer: its connections
owners.py     from connections to workers, mask and key
conform.py    what a balancer sent, field by field, beside what the model sends
audit.py      the questions in order, and the document they make
"""
