"""Where cards put frames: tests/nic/test_steer.py holds rows to single packets; here is who polls them in the end."""

from __future__ import annotations

import numpy as np

from lbreplay.burst import Burst
from lbreplay.loop.steer import Polls


def rows(queues: list[int], workers: list[int]) -> Burst:
    nothing = np.zeros(len(queues), np.int64)
    burst = Burst(1, np.zeros(0, np.uint8), nothing, nothing, nothing, nothing)
    burst.queue[:], burst.worker_index[:] = queues, workers
    return burst


def test_workers_by_queue() -> None:
    """Of rows that were received; what is no queue, or nobody polls, is the last entry's."""
    polls, burst = Polls(np.array([4, 5, 6, 9], np.int16).data), rows([0, 1, 2, 3, 77, -1, 1], [0, 0, 0, 0, 0, 0, -1])
    polls.number(burst)
    assert burst.worker_index.tolist() == [4, 5, 6, 9, 9, 9, -1]
