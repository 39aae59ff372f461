"""Two captures packet by packet and field by field; or one capture under two configurations, flow by flow.

Packets are paired in order; a missing one is one difference. What is left over is paired by looser and looser
likeness: the same packet elsewhere, the same content under other addresses, the same flow with other content. Then each
field that differs is named with both values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lbreplay.edge import pace
from lbreplay.edge.scratch import scratch
from lbreplay.lab.ages import Ages, Story, differ
from lbreplay.lab.align import align
from lbreplay.lab.fields import Frame, brief, differing, dissect, flow, frames, token
from lbreplay.model import Setup
from lbreplay.phrases import plural

Ignored = frozenset[str]


class Difference(NamedTuple):
    """A packet that is not the same: its two forms, one of which may be missing, and (field, in a, in b)."""

    a: Frame | None
    b: Frame | None
    fields: tuple[tuple[str, str, str], ...] = ()

    @property
    def kind(self) -> str:
        """different, missing (only in a) or extra (only in b)."""
        return "missing" if self.b is None else "extra" if self.a is None else "different"

    @property
    def either(self) -> Frame:
        """The form in a, or the one in b where a has none."""
        found = self.a or self.b
        assert found is not None, "a difference has at least one side"
        return found

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            **{name: {"n": f.n, "packet": brief(f)} for name, f in (("a", self.a), ("b", self.b)) if f},
            "fields": [{"field": name, "a": a, "b": b} for name, a, b in self.fields],
        }


@dataclass
class Comparison:
    """How many packets are equal, and those that are not, in order."""

    equal: int = 0
    differences: list[Difference] = field(default_factory=list)

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.differences)

    def count(self, kind: str) -> int:
        return sum(d.kind == kind for d in self.differences)

    def by_field(self) -> dict[str, int]:
        """How many packets differ in each field, the most frequent first."""
        return dict(Counter(name for d in self.differences for name, _, _ in d.fields).most_common())

    def by_flow(self) -> dict[str, int]:
        """How many packets differ in each flow."""
        return dict(Counter(flow(d.either) for d in self.differences).most_common())

    def document(self, most: int | None = None) -> dict[str, Any]:
        kinds = {kind: self.count(kind) for kind in ("different", "missing", "extra")}
        shown = self.differences[:most]
        return {
            "schema": 1,
            "equal": self.equal,
            **kinds,
            "fields": self.by_field(),
            "flows": self.by_flow(),
            "differences": [d.document() for d in shown],
        }


class Rules(NamedTuple):
    """What counts as equal. `own`: frame numbers of a to which `ignore` is limited; None: to all."""

    ignore: Ignored = frozenset()
    tolerance_ns: int = 0
    order: str = "strict"  # or "flow": the order of packets of different flows does not matter
    own: frozenset[int] | None = None


EXACT = Rules()


def compare(a: Sequence[Frame], b: Sequence[Frame], rules: Rules = EXACT) -> Comparison:
    """Compare the packets *a* with the packets *b*."""
    result = Comparison()
    pairs = _same(a, b, rules)
    for i, j in pace.counted(pairs, "comparing packets", len(pairs)):
        _judge(result, a[i], b[j], rules)
    in_a, in_b = {i for i, _ in pairs}, {j for _, j in pairs}
    rest = [f for i, f in enumerate(a) if i not in in_a], [f for j, f in enumerate(b) if j not in in_b]
    for left, right in _likeliest(*rest, rules):
        if left is None or right is None:
            result.differences.append(Difference(left, right))
        else:
            _judge(result, left, right, rules, moved=True)
    result.differences.sort(key=lambda d: d.either.n)
    return result


def _same(a: Sequence[Frame], b: Sequence[Frame], rules: Rules) -> list[tuple[int, int]]:
    """Index pairs of equal packets, aligned over all packets or flow by flow."""
    mine, theirs = [token(f, rules.ignore) for f in a], [token(f, rules.ignore) for f in b]
    if rules.order == "strict":
        return align(mine, theirs)
    flows_a, flows_b = _by_flow(a), _by_flow(b)
    return [
        (flows_a[name][i], flows_b[name][j])
        for name in flows_a.keys() & flows_b.keys()
        for i, j in align([mine[i] for i in flows_a[name]], [theirs[j] for j in flows_b[name]])
    ]


def _by_flow(packets: Sequence[Frame]) -> dict[str, list[int]]:
    flows: dict[str, list[int]] = {}
    for index, packet in enumerate(packets):
        flows.setdefault(flow(packet), []).append(index)
    return flows


def _judge(result: Comparison, a: Frame, b: Frame, rules: Rules, moved: bool = False) -> None:
    ignore = rules.ignore if rules.own is None or a.n in rules.own else frozenset()
    named = differing(a, b, ignore) if moved or (a.data, a.length) != (b.data, b.length) else []
    if "time" not in ignore and abs(a.time_ns - b.time_ns) > rules.tolerance_ns:
        named.insert(0, ("time", *(f"{f.time_ns / 1e9:.9f}" for f in (a, b))))  # type: ignore[arg-type]
    if moved and not named:
        named = [("order", f"#{a.n}", f"#{b.n}")]
    if named:
        result.differences.append(Difference(a, b, tuple(named)))
    else:
        result.equal += 1


def _content(frame: Frame) -> Hashable:
    fields = dissect(frame)
    return tuple(fields.get(name) for name in ("ip.proto", "flags", "seq", "ack", "payload"))


def _flow_and_flags(frame: Frame) -> Hashable:
    return flow(frame), dissect(frame).get("flags")


def _kind(frame: Frame) -> Hashable:
    fields = dissect(frame)
    return tuple(fields.get(name) for name in ("eth.type", "ip.proto", "flags", "icmp.type"))


LIKENESS: tuple[Callable[[Frame], Hashable], ...] = (_content, _flow_and_flags, _kind)


def _likeliest(a: list[Frame], b: list[Frame], rules: Rules) -> Iterator[tuple[Frame | None, Frame | None]]:
    """Pairs of packets that are not equal in place but alike, then those that are like no other."""
    same: Callable[[Frame], Hashable] = lambda frame: token(frame, rules.ignore)  # noqa: E731
    for like in (same, *LIKENESS):
        if not a or not b:
            break
        pairs = align([like(f) for f in a], [like(f) for f in b])
        yield from ((a[i], b[j]) for i, j in pairs)
        in_a, in_b = {i for i, _ in pairs}, {j for _, j in pairs}
        a = [f for i, f in enumerate(a) if i not in in_a]
        b = [f for j, f in enumerate(b) if j not in in_b]
    yield from ((f, None) for f in a)
    yield from ((None, f) for f in b)


def compare_files(a: str, b: str, rules: Rules = EXACT) -> Comparison:
    """Compare two captures. Raises CaptureError."""
    return compare(list(frames(a)), list(frames(b)), rules)


# One capture under two configurations

ASPECTS = ("service", "real", "laddr", "worker", "age", "verdict", "bytes")
ACROSS = ("service", "real", "age", "fate")  # DPVS beside the kernel, whose packets never look alike
FATES = {"transmitted": "forwards", "held": "forwards", "consumed": "forwards", "dropped": "drops",
         "to_kernel": "leaves to the host", "ignored": "never sees"}  # fmt: skip
ANSWERED = {"arp_answered": "to_kernel", "nd_answered": "to_kernel", "local_echo_reply": "to_kernel",  # by the host
            "tcp_bad_ack_rst": "dropped"}  # with a RST  # fmt: skip


class Change(NamedTuple):
    """What changed for a flow: the aspect, the first frame of it, both values."""

    aspect: str
    n: int
    a: str
    b: str


@dataclass
class Shift:
    """What two configurations make of one capture."""

    frames: int = 0
    flows: set[str] = field(default_factory=set)
    changed_frames: int = 0
    changes: dict[str, list[Change]] = field(default_factory=dict)  # by flow, at most one an aspect
    aspects: tuple[str, ...] = ASPECTS

    def __bool__(self) -> bool:
        """Whether anything changed."""
        return bool(self.changes)

    def by_aspect(self) -> dict[str, int]:
        """How many flows changed in each aspect."""
        counted = Counter(change.aspect for changes in self.changes.values() for change in changes)
        return {aspect: counted[aspect] for aspect in self.aspects if counted[aspect]}

    def document(self, most: int | None = None) -> dict[str, Any]:
        return {
            "schema": 1,
            "frames": self.frames,
            "flows": len(self.flows),
            "changed_frames": self.changed_frames,
            "changed_flows": len(self.changes),
            "compared": list(self.aspects),
            "aspects": self.by_aspect(),
            "changes": [
                {"flow": name, "changes": [change._asdict() for change in changes]}
                for name, changes in list(self.changes.items())[:most]
            ],
        }


class _Side:
    """One replay: its output packets, and what became of each frame, in order."""

    def __init__(self, capture: str, setup: Setup, folder: Path) -> None:
        from lbreplay.journey import replay

        folder.mkdir()
        self.setup = setup
        self._trace = folder / "trace"
        replay(setup, capture, str(folder / "out.pcap"), trace=str(self._trace))
        self._out = list(frames(str(folder / "out.pcap")))

    def stories(self, flows: Iterable[str]) -> Iterator[Story]:
        """The trace of each frame of the capture, whose *flows* come along.

        "worker" is the one that handled it, "bytes" what left, "age" what it found of its connection.
        """
        ages, names = Ages(self.setup), iter(flows)
        with self._trace.open(encoding="utf-8") as lines:
            for line in lines:
                story = json.loads(line)
                if story["n"] is not None:
                    story["age"] = ages.of(next(names), story)
                    yield story | {"worker": story.get("owner", story["worker"]), "bytes": self._left(story)}

    def _left(self, story: Story) -> tuple[Frame, ...]:
        return tuple(self._out[n - 1] for n in story.get("out") or ())


def compare_setups(capture: str, a: Setup, b: Setup, ignore: Ignored = frozenset()) -> Shift:
    """Replay *capture* under both and say which flows changed service, real server, laddr, worker, verdict or bytes.

    Also where one keeps a connection that the other has ended. DPVS and the kernel beside each other are compared by
    what they decide: service, real server, age and fate.
    """
    across = a.profile != b.profile
    shift = Shift(aspects=ACROSS if across else ASPECTS)
    with scratch() as folder:
        sides = [_Side(capture, setup, Path(folder) / name) for name, setup in (("a", a), ("b", b))]
        flows = [(frame.n, flow(frame)) for frame in frames(capture)]
        told = [side.stories(name for _, name in flows) for side in sides]
        judge = _Across(a, b) if across else lambda old, new: _changes(old, new, ignore)
        for (n, name), old, new in zip(flows, *told, strict=True):
            _note(shift, name, [Change(aspect, n, *values) for aspect, *values in judge(old, new)])
    return shift


def _note(shift: Shift, name: str, changes: list[Change]) -> None:
    shift.frames += 1
    shift.flows.add(name)
    shift.changed_frames += bool(changes)
    if changes:
        noted = shift.changes.setdefault(name, [])
        seen = {change.aspect for change in noted}
        noted += [change for change in changes if change.aspect not in seen]


Values = tuple[str, str, str]  # aspect, in a, in b


def _changes(old: Story, new: Story, ignore: Ignored) -> Iterator[Values]:
    """Of two settings of one balancer."""
    for aspect in ("service", "real", "laddr", "worker"):
        if old.get(aspect) != new.get(aspect):
            yield aspect, str(old.get(aspect)), str(new.get(aspect))
    yield from _age(old, new)
    if old["verdict"] != new["verdict"]:
        yield "verdict", old["verdict"], new["verdict"]
    if [token(f, ignore) for f in old["bytes"]] != [token(f, ignore) for f in new["bytes"]]:
        yield "bytes", *_first_difference(old["bytes"], new["bytes"], ignore)


def _age(old: Story, new: Story) -> Iterator[Values]:
    if differ(old["age"], new["age"]):
        yield "age", old["age"].words, new["age"].words


class _Across:
    """Of two balancers: names of services may differ, and ports where one does not translate."""

    def __init__(self, a: Setup, b: Setup) -> None:
        self._services = [{service.name: service for service in setup.services} for setup in (a, b)]

    def __call__(self, old: Story, new: Story) -> Iterator[Values]:
        by = [known.get(story["service"]) for known, story in zip(self._services, (old, new), strict=True)]
        if by[0] is not None and by[1] is not None:
            if not by[0].fwmark and not by[1].fwmark and (by[0].protocol, by[0].vip) != (by[1].protocol, by[1].vip):
                yield "service", by[0].name, by[1].name
            plain = all(service.mode not in ("dr", "tunnel") for service in by if service is not None)
            if _server(old, plain) != _server(new, plain):
                yield "real", f"{old['real']} ({by[0].scheduler})", f"{new['real']} ({by[1].scheduler})"
        yield from _age(old, new)
        fates = [_fate(story) for story in (old, new)]
        if fates[0] != fates[1]:
            a, b = (f"{fate} ({story['verdict']})" for fate, story in zip(fates, (old, new), strict=True))
            yield "fate", a, b


def _server(story: Story, port: bool) -> str:
    """The real server of *story*; without its *port* where that is not translated."""
    real = story["real"] or ""
    return real if port else real.rpartition(":")[0]


def _fate(story: Story) -> str:
    """What became of a frame. DPVS's own answers count as what the kernel's balancer would do with that frame."""
    fate: str = story["fate"]
    return FATES[ANSWERED.get(story["verdict"], fate)]


def _first_difference(a: Sequence[Frame], b: Sequence[Frame], ignore: Ignored) -> tuple[str, str]:
    for left, right in zip(a, b, strict=False):
        named = differing(left, right, ignore)
        if named:
            return ", ".join(f"{name}={v}" for name, v, _ in named), ", ".join(f"{name}={v}" for name, _, v in named)
    return plural(len(a), "packet"), plural(len(b), "packet")
