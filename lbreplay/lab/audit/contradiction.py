"""A word to whoever replays a capture that says where a card put its packets, if the configuration says otherwise.

Looked at are the first frames only, and only of a pcapng, so that ordinary captures cost nothing.
"""

from __future__ import annotations

from lbreplay.errors import CaptureError
from lbreplay.model import Setup
from lbreplay.nic.cards import of_interface
from lbreplay.wire.capture import open_capture

LOOKED_AT = 4096  # frames


def contradiction(setup: Setup, path: str) -> str | None:
    """A sentence where recorded queues are not those of *setup*; None where they are, or none is recorded.

    None also where *path* cannot be read: the replay that follows says so.
    """
    try:
        with open_capture(path, telling=True) as source:
            burst = next(source.bursts(LOOKED_AT), None) if source.info.format == "pcapng" else None
            names = source.names
    except CaptureError:
        return None
    if burst is None:
        return None
    from lbreplay.lab.audit.hold import Holder  # of no use to other formats
    from lbreplay.lab.audit.recorded import busiest

    interface = busiest(burst.told)
    seen = of_interface(setup, names[interface] if interface < len(names) else "")
    if seen is None:
        return None  # nobody says which of several ports it was
    holder = Holder(seen, interface)
    holder.add(burst)
    found = holder.found
    wrong = found.all.queue - found.all.same_queue
    if not wrong or found.first is None:
        return None
    return (
        f"{wrong:,} of {found.all.queue:,} recorded queues are not this configuration's, the first at frame "
        f"{found.first.n}: lbreplay audit says why, and works out the settings that agree"
    )
