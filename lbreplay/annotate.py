"""What a pcapng OUT says beside each frame (interface 4): worker, queue, hash, verdict, and a comment for people.

    #17 worker 2 (flow director, port 1026 & 3 = 2) conn 5 out -> client

The comment reads from what came in to what left: the frame of IN, the worker that received it and why, its connection
and the direction. `explain` and `check` use the same line for one frame.
"""

from __future__ import annotations

from lbreplay.burst import BY_FLOW_DIRECTOR, BY_RSS, Burst, Made
from lbreplay.nic.steer import Nic
from lbreplay.verdict import NAMES
from lbreplay.vs.balancer import Balancer
from lbreplay.vs.path import Story
from lbreplay.wire.capture import Note

DIRECTIONS = ("in -> real server", "out -> client")  # by side


class Annotator:
    """Annotates the frames that a replay writes; `attach` it to the engine before the first burst."""

    def attach(self, nic: Nic, balancer: Balancer) -> None:
        self._nic = nic
        balancer.stories = self._stories = [] if balancer.stories is None else balancer.stories

    def __call__(self, burst: Burst, what: int | Made) -> Note:
        """The note of row *what* of *burst*, or of a frame that was made."""
        if isinstance(what, int):
            return self._row(burst, what, int(burst.owner[what]))
        row = what.cause - burst.first
        if not what.cause:
            return Note(max(what.worker, 0), comment=f"worker {what.worker} by itself")
        if not what.own:
            return self._row(burst, row, what.worker)
        return Note(max(what.worker, 0), comment=f"worker {what.worker} because of #{what.cause}")

    def _row(self, burst: Burst, row: int, sender: int) -> Note:
        return Note(
            worker=max(sender, 0),
            queue=int(burst.queue[row]),
            hash=int(burst.hash[row]),
            verdict=NAMES[burst.verdict[row]],
            comment=comment(burst, row, self._stories[row], self._nic),
        )


def comment(burst: Burst, row: int, story: Story, nic: Nic) -> str:
    """The story of *row* in a line."""
    words = [f"#{burst.first + row}", received_by(burst, row, story, nic)]
    if story.owner >= 0:
        words.append(f"handed to worker {story.owner}")
    conn = story.conn
    if conn is None:
        return " ".join((*words, NAMES[burst.verdict[row]]))
    words += [f"{'new ' if story.new else ''}conn {conn.number}", DIRECTIONS[story.side]]
    return " ".join(words)


def received_by(burst: Burst, row: int, story: Story, nic: Nic) -> str:
    """`worker 2 (flow director, port 1026 & 3 = 2)`; a frame that nobody received: `not received`."""
    if burst.worker_index[row] < 0:
        return "not received"
    rank = int(burst.worker[row])
    who = f"worker {rank}" if rank >= 0 else "kernel worker"
    return f"{who} ({steered_by(burst, row, story, nic)})"


def steered_by(burst: Burst, row: int, story: Story, nic: Nic) -> str:
    """Why the NIC chose the queue of *row*."""
    if burst.by[row] == BY_FLOW_DIRECTOR:
        rule, packet = nic.rules[burst.rule[row]], story.packet
        assert packet is not None, "a story that was told has its packet"
        return f"flow director, port {packet.dport} & {rule.mask} = {rule.value}"
    if burst.by[row] == BY_RSS:
        return f"RSS {int(burst.hash[row]):#010x}, table entry {int(burst.reta[row])}"
    return "default queue"
