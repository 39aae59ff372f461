"""Golden cases for a configuration, without a capture.

    plans.py     what there is to show: a line a case, with its sentence and when it applies
    scripts.py   conversations as words, and the shortest ones through a protocol's states
    talk.py      a conversation: both ends, who answer what they hear
    stage.py     the balancer that they talk through, frame by frame
    clients.py   who they are: clients for a worker (RSS inverted), inside and outside lists
    frames.py    bytes of what they say
    reach.py     verdicts that a configuration cannot reach, each with its reason
    cases.py     all of it together: folders with captures, sentences and expectations

Nothing here knows what the balancer does: conversations hear what leaves, expectations are recorded by replaying.
"""
