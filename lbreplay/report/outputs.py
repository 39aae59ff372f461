"""What every JSON that lbreplay writes looks like: `lbreplay schema --of NAME`, and the page of the documentation.

OUTPUTS is the table: a name (of a command, or of what it writes), what writes it, and its shape (`shapes`). "schema": 1
is a promise (docs/stability.md): names and types that stand here stay, new names may come. A test holds real output of
every command against it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lbreplay.report.shapes import Shape, either, maybe, schema, told
from lbreplay.verdict import NAMES, Fate

ONE = told("the promise of docs/stability.md", int)
VERDICT = told("a name of `lbreplay run --help-verdicts`", tuple(NAMES))
FATE = tuple(fate.label for fate in Fate)
VERDICTS = told("frames by verdict; those without any are left out", {str: int})
BY = ("default", "rss", "flow_director")
FRAME = told("number of the frame in the capture, from 1", int)
RANK = told("rank of a forwarding worker; null: the kernel's worker", maybe(int))
CAPTURE = told("its path as it was given", str)

# --- run, and what it writes ----------------------------------------------------------------------------------------

COUNTED = {"conns": int, "inpkts": int, "inbytes": int, "outpkts": int, "outbytes": int}
REAL = {"address": str, "weight": int, "actconns": int, "inactconns": int, "persistconns": int, **COUNTED}
LADDR = {"address": str, "conns": int, "used": int, "free": int, "miss": int}
SERVICE = {"service": str, "scheduler": str, "mode": str, **COUNTED, "reals": [REAL], "laddrs": [LADDR]}
WORKER = {
    "worker": RANK,
    "cpu_id": int,
    "queues": told("of the first port", [int]),
    "polls?": told("several ports: its queues by port", {str: [int]}),
    "ipackets": told("frames that it received", int),
    "ibytes": int,
    "opackets": told("frames that it transmitted", int),
    "obytes": int,
    "steered": told("how received frames came here", {"flow_director": int, "rss": int, "default": int}),
    "lookup": told("connections found, from the client: in", {"in": int, "out": int, "miss": int}),
    "wrong_worker": told("received frames whose connection another worker has", int),
    "conns": {"created": int, "expired": int, "active": int, "peak": int},
    "sa_pool": told("local ports", {"used": int, "free": int, "miss": int}),
    "redirected": {"in": int, "out": int},
    "generated": told("frames of the balancer's own", int),
    "to_kernel": int,
    "dropped": int,
    "verdicts": VERDICTS,
}  # fmt: skip
CARD = {
    "driver": str, "ipackets": int, "ibytes": int, "opackets": int, "obytes": int,
    "steered": {"flow_director": int, "rss": int, "default": int}, "rules": told("installed on it", int),
}  # fmt: skip
PORT = {"port": str, **CARD, "slaves?": told("of a bond", [{"slave": str, **CARD}])}
TOTALS = {
    "frames": told("all of the capture; the fates add up to it", int),
    "received": int,
    **dict.fromkeys(FATE, int),
    "generated": int,
    "written": told("frames in OUT: transmitted and generated ones", int),
    "verdicts": VERDICTS,
}
STATS = {
    "schema": ONE,
    "tool": told("lbreplay and its version", str),
    "capture": {
        "path": str, "format": str, "linktype": int, "frames": int, "bytes": int, "first_ns": int, "last_ns": int,
    },
    "setup": {
        "workers": int, "driver": str, "rss": str, "strategy": str, "dst_port_mask": int, "seed": int, "view": str,
    },
    "totals": TOTALS,
    "workers": [WORKER],
    "services": [SERVICE],
    "ports?": told("where there are several", [PORT]),
    "ipvs?": told('profile "ipvs": the kernel\'s own figures', {
        "edition": str,
        "table": {"buckets": int, "used": int, "longest": int, "locks": int},
        "dropped_entries": int,
        "sync": {"conns": int, "templates": int, "deferred": int},
    }),
}  # fmt: skip
STEER = {"by": BY, "hash?": str, "reta?": int, "rule?": str}
OUT_PORT = told("of several ports, those that they left by", [str])
OUT = told("numbers, from 1, of the frames of OUT that left because of it", [int])
TRACE = either(
    {
        "n": FRAME,
        "t_ns": int,
        "worker": RANK,
        "queue": maybe(int),
        "steer": told("null: the balancer did not receive it", maybe(STEER)),
        "lookup": maybe(("in", "out", "miss")),
        "port?": told("of several, the one that it came in by", str),
        "slave?": told("of a bond", str),
        "owner?": told("rank of the worker that handled it", int),
        "conn": told("number of its connection", maybe(int)),
        "new": bool,
        "state": told("before and after", maybe([str])),
        "service": maybe(str),
        "real": maybe(str),
        "laddr": told("local address and port", maybe(str)),
        "reason?": [str],
        "verdict": VERDICT,
        "fate": FATE,
        "out": OUT,
        "out_port?": OUT_PORT,
        "why": told("the verdict's sentence", str),
    },
    told("what the balancer sends by itself", {"n": None, "t_ns": int, "out": [int], "out_port?": OUT_PORT}),
)

# --- explain --------------------------------------------------------------------------------------------------------

RULE = {
    "rule": str, "port": int, "port_bits": str, "mask_bits": str, "value_bits": str, "compared": int, "value": int,
    "matched": bool, "queue": int, "worker": int,
}  # fmt: skip
STEERING = {
    "port?": told("of several, the one that it came in by", str),
    "slave?": told("of a bond", maybe(str)),
    "told_by?": told("what tells the port", str),
    "class": str,
    "rules": {"installed": int, "refused": int, "other": int, "tried": [RULE], "matched": bool},
    "hash": {
        "value": maybe(str), "why?": str, "input?": str, "fields?": [str], "bytes?": str, "key?": str, "used?": bool,
    },
    "reta": maybe({"size": int, "index": int, "low_bits": str, "queue": int}),
    "by": BY, "queue": int, "worker": RANK, "cpu_id": maybe(int),
}  # fmt: skip
TABLES = {
    "asked_for": str,
    "unread": told("it quotes too little to ask for what it is about", bool),
    "answer": str,
    "workers": [{"worker": int, "conn": maybe(int), "side": maybe(str), "asked": bool}],
    "redirect": maybe(int),
    "redirect_on": bool,
    "wrong_worker": bool,
    "unhelped": str,
}
CANDIDATE = {
    "real": str, "weight": int, "actconns": int, "inactconns": int, "conns": int, "max_conn": int, "valid": bool,
    "load": int, "chosen": bool,
}  # fmt: skip
CONNECTION = {
    "number": int, "new": bool, "side": str, "worker": int, "mode": str, "client": str, "virtual": str, "local": str,
    "real": str, "message": maybe(str), "state": [str], "seconds_left": maybe(float), "timeout": maybe(float),
}  # fmt: skip
ANSWER = {
    "from": str, "flow": str, "port?": str, "by": BY, "queue": int, "worker": RANK, "owner": int,
    "handed_to": maybe(int),
    "alive": bool, "home": bool, "verdict": VERDICT, "fate": FATE,
}  # fmt: skip
FIELD = {"layer": str, "field": str, "before": maybe(str), "after": maybe(str), "changed": bool}
LADDER = {
    "flow": str,
    "connections": [{
        "conn": int, "worker": int, "service": maybe(str), "client": str, "virtual": str, "laddr": maybe(str),
        "real": str,
    }],
    "frames": [{
        "n": FRAME, "t_ns": int, "from": ("client", "real"), "packet": str, "worker": RANK, "by": maybe(BY),
        "owner": maybe(int), "lookup": maybe(("in", "out", "miss")), "conn": maybe(int), "new": bool,
        "state": maybe([str]), "verdict": VERDICT, "fate": FATE, "sent": told("frames that left because of it", int),
    }],
}  # fmt: skip
EXPLAIN = {
    "schema": ONE,
    "line": told("the whole story in a line", str),
    "frame": {"n": FRAME, "t_ns": int, "length": int, "captured": int, "packet": str},
    "received_as": told("what the balancer received in its place", maybe({"packet": str, "why": str})),
    "steering": told("null: the balancer did not receive it", maybe(STEERING)),
    "tables": told("null: no table of connections was asked", maybe(TABLES)),
    "service": maybe(str),
    "scheduler": told("null: nothing was to be chosen", maybe(
        {"name": str, "rule": str, "numbers": {str: either(int, float, str)}, "candidates": [CANDIDATE]}
    )),
    "laddr": maybe({
        "bucket": maybe(int),
        "buckets": int,
        "trials": [{"laddr": str, "port": maybe(int), "free_before": maybe(int)}],
    }),
    "connection": maybe(CONNECTION),
    "life": told("of its connection, in sentences", [str]),
    "reasons": [{"name": str, "sentence": str}],
    "verdict": VERDICT,
    "fate": FATE,
    "why": str,
    "source": told("section of the model", str),
    "notes": [str],
    "sent": [{"n": int, "worker": int, "own": bool, "port?": str, "packet": str, "fields": [FIELD]}],
    "answer": told("where the next packet of the other side will land", maybe(ANSWER)),
    "flow_frames": told("with --flow: all frames of the flow", [int]),
    "ladder?": told("with --flow: the whole conversation, both ways", LADDER),
}  # fmt: skip

# --- judgements -----------------------------------------------------------------------------------------------------

CHECK = {
    "schema": ONE,
    "capture": CAPTURE,
    "frames": int,
    "failed": told("properties that do not hold", int),
    "judged": told("properties that had something to judge", int),
    "properties": [{
        "name": str,
        "sentence": str,
        "holds": told("null: there was nothing to judge", maybe(bool)),
        "frame": told("the first that breaks it", maybe(int)),
        "others": told("further frames that do", int),
        "detail": str,
        "line": told("the story of the first frame", str),
    }],
    "again": told("capture and settings, to type behind another command", str),
}  # fmt: skip
PLACE = {"file": str, "line": maybe(int), "column": maybe(int)}
DOCTOR = {
    "schema": ONE,
    "errors": int,
    "warnings": int,
    "findings": [{
        "code": str,
        "severity": ("error", "warning"),
        "where": told("key path of the configuration", str),
        "what": str,
        "leads_to": str,
        "cure": str,
        "source": told("section of the model", str),
        "place": told("where the key stands; null: in no file", maybe(PLACE)),
    }],
}  # fmt: skip
LIMIT = {"what": str, "connections": int}
CAPACITY = {
    "schema": ONE,
    "services": [{
        "service": str,
        "connections": int,
        "first": told("what runs out first", LIMIT),
        "hold_seconds": told("how long a connection holds its port", float),
        "per_second": told("null: ports are given back at once", maybe(float)),
        "per_second_and_worker": maybe(float),
        "buckets": [{"bucket": int, "reals": [str], "connections": int}],
        "reals": [{"address": str, "bucket": int, "shares_with": [str], "connections": int, "max_conn": int}],
        "changes": told("what more there would be with other settings", [LIMIT]),
        "shares_with": told("services with a local address in common", [str]),
    }],
    "laddrs": [{
        "address": str, "ports": told("of each worker", [int]), "orphans": int, "buckets": int, "pool": int,
        "connections": int, "services": [str],
    }],
    "workers": [{"worker": int, "cpu_id": int, "connections": int, "peak": maybe(int), "missed": maybe(int)}],
    "pool_size": int,
    "total": int,
}  # fmt: skip

# --- comparisons ----------------------------------------------------------------------------------------------------

SWEEP = {
    "schema": ONE,
    "capture": CAPTURE,
    "frames": int,
    "rows": told("a setting each, the best first", [{
        "setting": {str: str},
        "imbalance": told("the busiest worker over the mean", float),
        "wrong_worker": int,
        "redirected": int,
        "imagined_rules": told("rules taken as installed that the NIC would refuse", int),
        "port_missed": int,
        "transmitted": int,
        "to_kernel": int,
        "dropped": int,
        "connections": int,
        "busiest": told("frames that the busiest worker handled", int),
        "by_worker": [int],
        "uneven": told("the most loaded real server over its due", float),
        "by_real": [int],
    }]),
    "ranking": told("what they are ranked by", str),
    "recommendation": str,
}  # fmt: skip
SIDE = {"n": int, "packet": str}
DIFF = either(
    told("of two captures", {
        "schema": ONE,
        "equal": int,
        "different": int,
        "missing": told("packets of the first only", int),
        "extra": told("packets of the second only", int),
        "fields": told("packets that differ in a field", {str: int}),
        "flows": told("packets that differ in a flow", {str: int}),
        "differences": [{
            "kind": ("different", "missing", "extra"), "a?": SIDE, "b?": SIDE,
            "fields": [{"field": str, "a": str, "b": str}],
        }],
    }),
    told("of two configurations over one capture", {
        "schema": ONE,
        "frames": int,
        "flows": int,
        "changed_frames": int,
        "changed_flows": int,
        "compared": told("what was compared", [str]),
        "aspects": told("flows that changed in an aspect", {str: int}),
        "changes": [{"flow": str, "changes": [{"aspect": str, "n": FRAME, "a": str, "b": str}]}],
    }),
)  # fmt: skip
KEYS = {
    "schema": ONE,
    "workers": int,
    "flows": int,
    "frames": int,
    "drawn": told("flows were drawn, for want of a capture", bool),
    "keys": [{"name": str, "key": str, "symmetric": bool, "imbalance": float, "by_worker": [int]}],
    "table": maybe({"queues": [int], "imbalance": float, "by_worker": [int]}),
    "settings": told("what to put into the configuration", [str]),
}

# --- against a real machine -----------------------------------------------------------------------------------------

RECORDED = {"queue": int, "hash": int}
DEPARTURE = {"n": FRAME, "recorded": either(int, str), "modelled": either(int, str, None), "why": str}
AGREED = {"queue": int, "queue_agree": int, "hash": int, "hash_agree": int}
DEPARTED = {"n": FRAME, "field": str, "sent": str, "modelled": str, "rule": str}
SOLVED = {
    "rss_key": maybe(str), "known_key": maybe(str), "key_share": maybe(float), "key_against": [int],
    "hashed": maybe(str), "reta_size": int, "reta_repeats": maybe(int), "reta": [maybe(int)],
    "dst_port_mask": maybe(int), "rules": maybe(str), "local_addresses": [str], "workers": int, "explains": float,
    "held_back": {"frames": int, "right": int, "unseen": int},
}  # fmt: skip
AUDIT = {
    "schema": ONE,
    "frames": int,
    "recorded?": told("frames whose queue, whose hash is recorded", RECORDED),
    "agree?": told("of these, where the model says the same", RECORDED),
    "first_difference?": maybe(DEPARTURE),
    "differing?": told("the first frames that differ", [int]),
    "beyond?": told("frames in queues that no worker polls", int),
    "classes?": [{"class": str, **AGREED}],
    "ways?": [{"way": str, **AGREED}],
    "left_out?": [{"why": str, "frames": int}],
    "legs?": {"connections": int, "owned": int, "home": int, "first_away": maybe(DEPARTURE)},
    "solved?": told("the settings that were worked out; null: none explain the records", maybe(SOLVED)),
    "toml?": told("the same as a configuration", str),
    "conform?": told("with --conform", {
        "connections": int, "conforming": int, "sent": int, "departures": int, "first": maybe(DEPARTED),
        "named": [DEPARTED],
    }),
}  # fmt: skip
WHO = [{
    "client": str, "virtual": str, "local": str, "real": str, "worker": RANK,
    "from_s": told("seconds after the first frame", float),
    "to_s": told("null: it lives at the end", maybe(float)),
}]  # fmt: skip

# --- golden cases ---------------------------------------------------------------------------------------------------

GEN = {
    "schema": ONE,
    "folder": str,
    "cases": [{"case": str, "description": str, "frames": int, "verdicts": [VERDICT]}],
    "reached": [VERDICT],
    "unreached": [{"verdict": VERDICT, "reason": str}],
}
TEST = {
    "schema": ONE,
    "holding": int,
    "failed": int,
    "broken": told("cases that could not be judged", int),
    "not_run": told("with -x: those behind the first that does not hold", int),
    "seconds": float,
    "cases": [{
        "case": told("its path below DIR", str),
        "path": str,
        "holds": bool,
        "broken": bool,
        "empty": told("it shows nothing", bool),
        "moved": told("what is not as expected, in short", [str]),
        "problems": told("the same in full, sentences of one or more lines", [str]),
        "changed": told("what --update rewrote", [str]),
        "warnings": [str],
        "more": told("the command that shows more", str),
        "seconds": float,
    }],
}  # fmt: skip
PART = {
    "part": str, "of": int, "exercised": [str], "missing": [str],
    "unreachable?": told("with the reason", {str: str}),
}  # fmt: skip
COVER = {
    "schema": ONE,
    "cases": int,
    "configurations": [{"cases": [str], "parts": [PART]}],
    "settings": [{
        "setting": str,
        "value": either(bool, int, float, str, None, [str]),
        "case": told("one whose outcome depends on it; null: none does", maybe(str)),
    }],
}  # fmt: skip


class Output(NamedTuple):
    """What writes a document, and its shape."""

    written_by: str
    shape: Shape


OUTPUTS = {
    "run": Output("lbreplay run --stats FILE, or --format json", STATS),
    "trace": Output("lbreplay run --trace FILE, a line each", TRACE),
    "explain": Output("lbreplay explain --format json", EXPLAIN),
    "check": Output("lbreplay check --format json", CHECK),
    "doctor": Output("lbreplay doctor --format json", DOCTOR),
    "capacity": Output("lbreplay capacity --format json", CAPACITY),
    "sweep": Output("lbreplay sweep --format json", SWEEP),
    "diff": Output("lbreplay diff --format json", DIFF),
    "keys": Output("lbreplay keys --format json", KEYS),
    "audit": Output("lbreplay audit --format json", AUDIT),
    "who": Output("lbreplay who --format json", WHO),
    "gen": Output("lbreplay gen --format json", GEN),
    "test": Output("lbreplay test --format json", TEST),
    "cover": Output("lbreplay test --cover --format json", COVER),
}


def json_schema(name: str, closed: bool = False) -> dict[str, Any]:
    """The JSON Schema of the output called *name*. *closed* as of `shapes.schema`."""
    output = OUTPUTS[name]
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"lbreplay: {name}"}
    return {**head, "$comment": f"written by {output.written_by}", **schema(output.shape, closed)}
