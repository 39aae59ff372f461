"""Documents of the page that `--html` writes: the verdict in a sentence, findings with their cures, what was looked at.

`report/page.py` draws them. A document is plain dicts and lists: "verdict" {"text", "good"}, "findings", and "replay"
(a journal with its totals, examples and configuration) with the "stories" of examples, or "tables".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lbreplay.lab import fit
from lbreplay.lab.doctor import judge
from lbreplay.lab.journal import Document
from lbreplay.model import Setup
from lbreplay.phrases import plural
from lbreplay.stats import Result
from lbreplay.verdict import Fate

EXPLAINED = 50_000  # frames of a capture up to which examples are explained in full: that takes one more replay
EXAMPLES = 24
PATH = ("class", "by", "lookup", "strayed", "service", "mode", "verdict")  # what makes frames travel the same path
TRAFFIC = ("frames", "received", *(fate.label for fate in Fate), "generated", "written")


def replayed(setup: Setup, path: str, result: Result, journal: Document, more: Iterable[Document] = ()) -> Document:
    """The document of one replay; *more*: findings of whoever judged it."""
    stats = result.document()
    findings = [*_misfits(setup, path, stats), *_strays(stats), *more, *_diagnosed(setup)]
    return {
        "verdict": _verdict(stats, findings),
        "findings": findings,
        "replay": {
            "capture": stats["capture"],
            "setup": stats["setup"],
            "totals": {name: stats["totals"][name] for name in TRAFFIC},
            "workers": [{"worker": w["worker"], "cpu": w["cpu_id"], "queues": w["queues"]} for w in stats["workers"]],
            "journal": journal,
            "runs_out": list(run_out(journal)),
        },
        "stories": _stories(setup, path, journal) if stats["totals"]["frames"] <= EXPLAINED and path != "-" else {},
    }


def _verdict(stats: Document, findings: Sequence[Document]) -> Document:
    """One sentence: the worst that was found, or what became of the frames."""
    totals = stats["totals"]
    errors = [finding for finding in findings if finding["severity"] == "error"]
    if errors:
        others = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
        return {"good": False, "text": f"{errors[0]['what']}{others}"}
    lost = f", {totals['dropped']:,} dropped" if totals["dropped"] else ", none was dropped"
    home = "; every answer came home" if fit.answers(stats) else ""
    sent = f"{totals['transmitted']:,} of {totals['received']:,} received frames were transmitted"
    return {"good": True, "text": f"{sent}{lost}{home}."}


def _misfits(setup: Setup, path: str, stats: Document) -> Iterator[Document]:
    if found := fit.misfit(setup, path, stats) or fit.starved(setup, path, stats):
        yield {"severity": "error", "code": "fits", "where": "", "what": found.sentence, "so": "", "cure": found.cure}


def _strays(stats: Document) -> Iterator[Document]:
    wrong = sum(w["wrong_worker"] for w in stats["workers"])
    helped = sum(w["redirected"]["out"] for w in stats["workers"])
    if wrong > helped:
        yield {
            "severity": "error",
            "code": "home",
            "where": "",
            "what": f"{plural(wrong - helped, 'frame')} reached a worker that does not have their connection",
            "so": "they find nothing there: the kernel gets them, or they are dropped",
            "cure": "lbreplay doctor judges masks and rules, lbreplay check names the first frame",
        }


def _diagnosed(setup: Setup) -> Iterator[Document]:
    for found in judge(setup):
        yield {
            "severity": found.severity,
            "code": found.code,
            "where": found.where,
            "what": found.what,
            "so": found.leads_to,
            "cure": found.cure,
        }


def judged(judgements: Iterable[Any]) -> Iterator[Document]:
    """Findings of the properties that `check` found broken (lab.check.Judgement)."""
    for judgement in judgements:
        if judgement.holds is False and judgement.name != "fits":
            detail = judgement.failure.detail
            told = "; ".join(filter(None, (detail, judgement.line)))
            yield {"severity": "error", "code": judgement.name, "where": "", "what": f"broken: {judgement.sentence}",
                   "so": told, "cure": ""}  # fmt: skip


def examples(journal: Document) -> dict[tuple[Any, ...], int]:
    """Path: its first frame, of the busiest paths."""
    found: dict[tuple[Any, ...], int] = {}
    for way in journal["ways"]:
        path = tuple(way.get(name) for name in PATH)
        if path in found or len(found) < EXAMPLES:
            found[path] = min(found.get(path, way["first"]), way["first"])
    return found


def _stories(setup: Setup, path: str, journal: Document) -> dict[int, Document]:
    """What `explain` tells of the examples, by frame."""
    from lbreplay.lab.explain import explained

    return explained(setup, path, sorted(set(examples(journal).values())))


def run_out(journal: Document) -> Iterator[Document]:
    """Local addresses that run out of ports at the rate of the second half, and when: seconds after the start."""
    seconds = journal["samples"]["s"]
    for laddr in journal["samples"]["laddrs"]:
        known = [(s, at) for s, at in zip(seconds, laddr["at"], strict=True) if at is not None]
        if len(known) < 2:
            continue
        (then, before), (now, (used, free, _)) = known[len(known) // 2 if len(known) > 2 else 0], known[-1]
        rate = (used - before[0]) / (now - then) if now > then else 0.0
        if rate > 0:
            yield {"address": laddr["address"], "service": laddr["service"], "rate": rate, "at_s": now + free / rate}


# --- what other commands found, as tables ---------------------------------------------------------------------------


def _table(
    title: str, note: str, columns: Sequence[str] = (), rows: Sequence[list[Any]] = (), details: Iterable[Document] = ()
) -> Document:
    """Columns of numbers begin with "#"."""
    heads = [{"text": name.removeprefix("#"), "n": 1 if name.startswith("#") else 0} for name in columns]
    return {"title": title, "note": note, "columns": heads, "rows": list(rows), "details": list(details)}


def swept(found: Document) -> Document:
    """Of a sweep (lab.sweep): a row a setting, the best first, the busiest worker's share as a bar."""
    rows, axes = found["rows"], list(found["rows"][0]["setting"])
    numbers = ("imbalance", "wrong_worker", "redirected", "port_missed", "transmitted")
    lines = [
        [
            *(row["setting"][name] for name in axes),
            *(round(row[name], 2) for name in numbers),
            {
                "share": max(row["by_worker"]) / max(1, sum(row["by_worker"])),
                "bad": _strayed(row),
            },
        ]
        for row in rows
    ]
    columns = [*axes, *(f"#{name.replace('_', ' ')}" for name in numbers), "share of the busiest worker"]
    best = ", ".join(f"{name} {value}" for name, value in rows[0]["setting"].items())
    note = f"{plural(found['frames'], 'frame')} under each setting, the best first."
    return {
        "verdict": {"good": not _strayed(rows[0]), "text": f"Best of {plural(len(rows), 'setting')}: {best}."},
        "findings": [],
        "tables": [_table("Settings", note, columns, lines)],
    }


def _strayed(row: Document) -> bool:
    return bool(row["wrong_worker"] > row["redirected"])


def differing(found: Document) -> Document:
    """Of two captures or two configurations (lab.diff): what moved."""
    return _shifted(found) if "changes" in found else _compared(found)


def _compared(found: Document) -> Document:
    count = found["different"] + found["missing"] + found["extra"]
    fields = [[name, n, {"share": n / max(1, count)}] for name, n in found["fields"].items()]
    details = [
        {"summary": f"{d['kind']}: {_either(d)['packet']}", "text": "\n".join(_both(d))} for d in found["differences"]
    ]
    return {
        "verdict": {"good": not count, "text": f"{found['equal']:,} packets are equal, {count:,} are not."},
        "findings": [],
        "tables": [
            _table("Fields that differ", "In how many packets.", ["field", "#packets", ""], fields),
            _table("Packets that differ", f"The first {len(details):,} of {count:,}.", details=details),
        ],
    }


def _either(difference: Document) -> Document:
    found: Document = difference.get("a") or difference["b"]
    return found


def _both(difference: Document) -> Iterator[str]:
    for name in ("a", "b"):
        if name in difference:
            yield f"{name} #{difference[name]['n']}  {difference[name]['packet']}"
    yield from (f"    {field['field']}: a {field['a']}, b {field['b']}" for field in difference["fields"])


def _shifted(found: Document) -> Document:
    aspects = [[name, n, {"share": n / max(1, found["flows"])}] for name, n in found["aspects"].items()]
    details = [
        {
            "summary": change["flow"],
            "text": "\n".join(f"{c['aspect']}: {c['a']} -> {c['b']} (frame {c['n']})" for c in change["changes"]),
        }
        for change in found["changes"]
    ]
    moved = f"{found['changed_flows']:,} of {plural(found['flows'], 'flow')} moved, "
    moved += f"{found['changed_frames']:,} of {plural(found['frames'], 'frame')}."
    return {
        "verdict": {"good": not found["changed_flows"], "text": moved},
        "findings": [],
        "tables": [
            _table("What moved", "In how many flows.", ["aspect", "#flows", ""], aspects),
            _table("Flows that moved", f"The first {len(details):,} of {found['changed_flows']:,}.", details=details),
        ],
    }


def tested(outcomes: Sequence[Any], seconds: float, covered: Document | None) -> Document:
    """Of golden cases (lab.golden.Outcome): a row a case; of those that do not hold, both packets; what they cover."""
    held = sum(outcome.holds for outcome in outcomes)
    rows = [[o.name, "holds" if o.holds else "failed", _first(o), round(o.seconds, 2)] for o in outcomes]
    details = [{"summary": o.name, "text": "\n".join([*o.problems, o.more])} for o in outcomes if not o.holds]
    told = f"{held} of {len(outcomes)} cases hold, in {seconds:.1f} s."
    tables = [_table("Cases", "", ["case", "", "first problem", "#seconds"], rows)]
    if details:
        tables.insert(
            0,
            _table("Cases that do not hold", "Open one for both packets and more.", details=details),
        )
    if covered is not None:
        tables += _covered(covered)
    return {"verdict": {"good": held == len(outcomes), "text": told}, "findings": [], "tables": tables}


def _covered(covered: Document) -> Iterator[Document]:
    """What a suite exercises (lab.cover.document): a table a configuration, and settings on which nothing depends."""
    for one in covered["configurations"]:
        rows = [[p["part"], len(p["exercised"]), p["of"], ", ".join(p["missing"])] for p in one["parts"]]
        yield _table("What is exercised", ", ".join(one["cases"]), ["part", "#exercised", "#of", "missing"], rows)
    idle = [[setting["setting"], str(setting["value"])] for setting in covered["settings"] if setting["case"] is None]
    told = f"{len(covered['settings'])} settings were changed; on these no case depends."
    yield _table("Settings that no case depends on", told, ["setting", "value"], idle)


def _first(outcome: Any) -> str:
    told = [*outcome.problems, *outcome.warnings]
    return str(told[0]).splitlines()[0] if told else ""


def audited(found: Document) -> Document:
    """Of an audit (lab.audit): model beside record, the settings worked out, and where the balancer departs."""
    tables = []
    if "classes" in found:
        rows = [[row.get("class") or f"by {row['way']}", *_agreed(row)] for row in (*found["classes"], *found["ways"])]
        columns = ["received", "#queue recorded", "#agrees", "#hash recorded", "#agrees", "share of queues that agree"]
        tables.append(_table("Model beside record", "By class of packet, then by way.", columns, rows))
    if both := found.get("legs"):
        rows = [[name.replace("_", " "), _short(value)] for name, value in both.items() if value is not None]
        tables.append(_table("Connections with both legs", "Of these, owned and home.", ["", ""], rows))
    if solved := found.get("solved"):
        rows = [[name.replace("_", " "), _short(value)] for name, value in solved.items() if value is not None]
        toml = [{"summary": "As a configuration", "text": found["toml"]}]
        tables.append(_table("Settings worked out", "", ["setting", "value"], rows, toml))
    if conform := found.get("conform"):
        rows = [[name, _short(value)] for name, value in conform.items()]
        tables.append(_table("Conformance of what was sent", "", ["", ""], rows))
    return {"verdict": _audit_verdict(found), "findings": [], "tables": tables}


def _agreed(row: Document) -> list[Any]:
    share = {"share": row["queue_agree"] / max(1, row["queue"]), "bad": row["queue_agree"] < row["queue"]}
    return [*(row[name] for name in ("queue", "queue_agree", "hash", "hash_agree")), share]


def _audit_verdict(found: Document) -> Document:
    """The first frame, or connection, in which model and record disagree; else what explains the record."""
    first = found.get("first_difference")
    departed = (found.get("conform") or {}).get("first")
    if first:
        told = f"Frame {first['n']}: recorded {first['recorded']}, modelled {first['modelled']}: {first['why']}."
        return {"good": False, "text": told}
    if departed:
        told = (
            f"Frame {departed['n']}: {departed['field']} sent as {departed['sent']}, modelled {departed['modelled']}."
        )
        return {"good": False, "text": told}
    if solved := found.get("solved"):
        return {
            "good": True,
            "text": f"The settings worked out explain {solved['explains']:.1%} of the recorded queues.",
        }
    if "solved" in found:
        return {"good": False, "text": "No settings that are known explain the record."}
    return {"good": True, "text": "Model and record agree."}


def _short(value: Any) -> str:
    """A value of a setting in a cell; what is not known is a question mark."""
    if isinstance(value, dict):
        value = [f"{name} {number}" for name, number in value.items()]
    told = ", ".join("?" if part is None else str(part) for part in (value if isinstance(value, list) else [value]))
    return told if len(told) <= 400 else f"{told[:400]}…"
