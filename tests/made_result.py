"""A small result and the columns it is counted from, for tests of what is shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from lbreplay.burst import Burst, Made
from lbreplay.model import Setup, Worker
from lbreplay.stats import Counters, Result
from lbreplay.verdict import Verdict

CAPTURE = {"path": "in.pcap", "format": "pcap", "linktype": 1, "frames": 6, "bytes": 600, "first_ns": 1, "last_ns": 9}


REAL = {"address": "10.0.0.1:80", "weight": 1, "conns": 2, "inpkts": 5, "outpkts": 4, "inbytes": 700, "outbytes": 9000}


def setup(workers: int = 2, kni: bool = False) -> Setup:
    """Forwarding workers, and after them a KNI worker."""
    lcores = [Worker(rank, rank + 1, (rank,)) for rank in range(workers)]
    return Setup(workers=(*lcores, Worker(-1, 9, (workers,), "kni")) if kni else tuple(lcores))


def columns(rows: list[dict[str, Any]], made: list[Made] | None = None) -> Burst:
    """Columns of rows as dicts; what a row leaves out: forwarded fast by worker 0, by RSS, a hit from the client."""
    plain = {"verdict": Verdict.FORWARDED_FAST, "worker_index": 0, "length": 100, "sent": 100, "by": 1, "lookup": 1}
    plain |= {"wrong_worker": False, "redirected": -1, "owner": 0, "leaving": False}
    full, nothing = [plain | row for row in rows], np.zeros(len(rows), np.int64)
    burst = Burst.of(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing)
    for name in plain:
        getattr(burst, name)[:] = [row[name] for row in full]
    burst.made = made or []
    return burst


def result() -> Result:
    """Six frames on two workers: three forwarded, one to the kernel, one dropped, one ignored."""
    counters = Counters(setup())
    counters.add(
        columns(
            [
                {"leaving": True},
                {"leaving": True, "lookup": 2, "worker_index": 1, "owner": 1, "by": 2},
                {"verdict": Verdict.FORWARDED_SLOW, "lookup": 3},
                {"verdict": Verdict.LOCAL_TO_KERNEL, "worker_index": 1, "lookup": 3, "wrong_worker": True},
                {"verdict": Verdict.LADDR_PORT_EXHAUSTED, "worker_index": 1, "lookup": 3},
                {"verdict": Verdict.REPLY_WITHOUT_CONN, "worker_index": -1, "lookup": 0, "by": 0, "owner": -1},
            ],
            [Made(2, 5, bytes(108), 108, 3, 0, False), Made(3, 6, bytes(54), 54, 0, 1, True)],
        )
    )
    gauges = {
        "workers": [
            {
                "conns": {"created": 2, "expired": 1, "active": 1, "peak": 2},
                "sa_pool": {"used": 1, "free": 9, "miss": rank},
            }
            for rank in range(2)
        ],
        "services": [
            {
                "service": "web",
                "scheduler": "wrr",
                "mode": "fnat",
                **dict.fromkeys(("conns", "inpkts", "outpkts"), 2),
                **dict.fromkeys(("inbytes", "outbytes"), 700),
                "reals": [dict(REAL), {**REAL, "address": "10.0.0.2:80", "weight": 3, "conns": 0}],
            }
        ],
        "warnings": ["--view lb may be meant"],
    }
    return counters.result(gauges, CAPTURE)
