"""The story of a frame for people, a tree: a branch a question, bits and changed fields marked; and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from lbreplay.report import texts

Document = Mapping[str, Any]  # of lab.explain
as_json = texts.as_json
FATES = {"transmitted": "bold green", "dropped": "bold red", "to_kernel": "bold yellow"}
CHANGED, MARK = "bold yellow", "*"
UNWRAPPED = 10_000


def show(story: Document, out: Console, brief: bool = False) -> None:
    """Print the tree, *brief*: without the bytes; into a file, a line a branch however long."""
    if not out.is_terminal:
        out.width = UNWRAPPED
    out.print(tree(story, brief))


def tree(story: Document, brief: bool = False) -> Tree:
    """The whole story, *brief*: without the bytes."""
    frame = story["frame"]
    root = Tree(Text.assemble((f"frame {frame['n']}", "bold"), f"  {frame['packet']}"), guide_style="dim")
    if story["received_as"] is not None:
        branch = root.add(f"received as  {story['received_as']['packet']}")
        branch.add(Text(story["received_as"]["why"], style="dim"))
    _steering(root, story["steering"])
    _tables(root, story["tables"])
    _choice(root, story["service"], story["scheduler"])
    _laddr(root, story["laddr"])
    _connection(root, story["connection"])
    for sentence in story["life"]:
        root.add(Text(sentence, style="yellow"))
    _verdict(root, story)
    for note in story["notes"]:
        root.add(Text(note, style="yellow"))
    for sent in story["sent"]:
        _sent(root, sent, brief)
    _answer(root, story["answer"])
    return root


def _steering(root: Tree, steering: Document | None) -> None:
    if steering is None:
        root.add("not received by the balancer")
        return
    who = "the kernel's worker" if steering["worker"] is None else f"worker {steering['worker']}"
    how = {"rss": "RSS", "flow_director": "flow director", "default": "default queue"}[steering["by"]]
    where = f" (cpu {steering['cpu_id']}), queue {steering['queue']}, by {how}"
    port = ""
    if "port" in steering:
        slave = f" ({steering['slave']})" if steering["slave"] else ""
        root.add(Text.assemble("port  came in by ", (f"{steering['port']}{slave}", "bold"), f": {steering['told_by']}"))
        port = f"{steering['port']}, "
    branch = root.add(Text.assemble("steering  ", port, (who, "bold"), where))
    branch.add(f"class  {steering['class']}")
    _rules(branch, steering["rules"])
    _hash(branch, steering["hash"])
    if steering["reta"] is not None:
        reta = steering["reta"]
        branch.add(
            f"table  entry {reta['index']} (low bits {reta['low_bits']}) of {reta['size']} = queue {reta['queue']}"
        )


def _rules(branch: Tree, rules: Document) -> None:
    tried = rules["tried"]
    passed = f"{rules['other']} for other addresses or protocols passed over" if rules["other"] else ""
    none = "none installed" if not rules["installed"] else f"{rules['installed']} installed"
    refused = f"{rules['refused']} refused by the driver" if rules["refused"] else ""
    twig = branch.add("rules  " + ", ".join(filter(None, (none, refused, passed))))
    for rule in tried:
        twig.add(_rule(rule))


def _rule(rule: Document) -> Text:
    """The port bit by bit, those that the rule compares marked."""
    text = Text(f"{rule['rule']}:  port {rule['port']} = ")
    for bit, mask in zip(rule["port_bits"], rule["mask_bits"], strict=True):
        text.append(bit, style="bold underline" if mask == "1" else "dim")
    text.append(f" & {rule['mask_bits'].lstrip('0') or '0'} = {rule['compared']}")
    if rule["matched"]:
        text.append(f", matches: queue {rule['queue']}, worker {rule['worker']}", style="green")
    else:
        text.append(f", not {rule['value']}")
    return text


def _hash(branch: Tree, hashed: Document) -> None:
    if hashed["value"] is None:
        branch.add(f"hash  none: {hashed['why']}; queue 0")
        return
    unused = "" if hashed["used"] else ", not consulted: a rule decided"
    twig = branch.add(f"hash  {hashed['value']} over {hashed['input']}{unused}")
    if hashed["used"]:
        twig.add(f"input  {', '.join(hashed['fields'])} = {hashed['bytes']}")
        twig.add(Text(f"key    {hashed['key']}", style="dim"))


def _tables(root: Tree, tables: Document | None) -> None:
    if tables is None:
        return
    unread = ", the quote is too short" if tables["unread"] else f": {_found(tables['answer'])}"
    branch = root.add(f"tables  {'not ' if tables['unread'] else ''}asked for {tables['asked_for']}{unread}")
    for worker in tables["workers"]:
        has = f"conn {worker['conn']}, side {worker['side']}" if worker["conn"] is not None else "nothing"
        if worker["asked"]:
            branch.add(f"worker {worker['worker']} was asked, has {has}")
        elif worker["conn"] is not None:
            branch.add(Text(f"worker {worker['worker']} was not asked, but has {has}", style="bold red"))
    if tables["redirect"] is not None:
        branch.add(f"redirect table: worker {tables['redirect']} owns it")
    if tables["unhelped"]:
        branch.add(tables["unhelped"])


def _found(answer: str) -> str:
    return {"in": "a connection, from the client", "out": "a connection, from the real server"}.get(answer, "a miss")


def _choice(root: Tree, service: str | None, scheduler: Document | None) -> None:
    if service is None:
        return
    branch = root.add(f"service  {service}")
    if scheduler is None:
        return
    own = ", ".join(f"{name} {value}" for name, value in scheduler["numbers"].items())
    twig = branch.add(f"scheduler {scheduler['name']}: {scheduler['rule']}{f' ({own})' if own else ''}")
    for one in scheduler["candidates"]:
        twig.add(_candidate(one, scheduler["name"]))


def _candidate(one: Document, scheduler: str) -> Text:
    load = f", load {one['load']}/{one['weight']}" if scheduler == "wlc" else ""
    limit = f", at most {one['max_conn']} on this worker" if one["max_conn"] else ""
    text = Text(
        f"{one['real']}  weight {one['weight']}, active {one['actconns']}, inactive {one['inactconns']}{load}{limit}"
    )
    if not one["valid"]:
        text.append("  not available", style="red")
    if one["chosen"]:
        text.append("  chosen", style="green")
    return text


def _laddr(root: Tree, laddr: Document | None) -> None:
    if laddr is None:
        return
    where = "" if laddr["bucket"] is None else f", bucket {laddr['bucket']} of {laddr['buckets']}"
    branch = root.add(f"local address{where}")
    for trial in laddr["trials"]:
        result = f"port {trial['port']}" if trial["port"] is not None else "no port"
        free = "no pool" if trial["free_before"] is None else f"{trial['free_before']:,} free in all buckets before"
        style = "" if trial["port"] is not None else "red"
        branch.add(Text(f"{trial['laddr']}: {result} ({free})", style=style))


def _connection(root: Tree, conn: Document | None) -> None:
    if conn is None:
        return
    new = "new, " if conn["new"] else ""
    branch = root.add(
        f"conn {conn['number']}  {new}of worker {conn['worker']}, {conn['mode']}, this packet: {conn['side']}"
    )
    said = f"  {conn['message']}" if conn["message"] else ""
    ends = f"client {conn['client']} > virtual {conn['virtual']};  local {conn['local']} > real {conn['real']}"
    branch.add(f"{ends}{said}")
    if conn["state"]:
        branch.add(f"state  {' -> '.join(conn['state'])}")
    left = "" if conn["seconds_left"] is None else f"{conn['seconds_left']:.3f} s were left, "
    if conn["timeout"] is not None:
        branch.add(f"timer  {left}now {conn['timeout']:.3f} s")


def _verdict(root: Tree, story: Document) -> None:
    for reason in story["reasons"]:
        root.add(f"{reason['name']}  {reason['sentence']}")
    style = FATES.get(story["fate"], "bold cyan")
    root.add(
        Text.assemble("verdict  ", (story["verdict"], style), f" ({story['fate'].replace('_', ' ')})  {story['why']}")
    )


def _sent(root: Tree, sent: Document, brief: bool) -> None:
    own = ", the balancer's own" if sent["own"] else ""
    port = f" on {sent['port']}" if "port" in sent else ""
    branch = root.add(f"sent as #{sent['n']} by worker {sent['worker']}{port}{own}  {sent['packet']}")
    if brief:
        return
    layer, twig = None, branch
    compared = any(field["before"] is not None for field in sent["fields"])
    width = max((len(field["field"]) for field in sent["fields"]), default=0)
    for field in sent["fields"]:
        if field["layer"] != layer:
            layer = field["layer"]
            twig = branch.add(Text(layer, style="bold"))
        twig.add(_field(field, width, compared))


def _field(field: Document, width: int, compared: bool) -> Text:
    name = f"{field['field']:{width}}"
    if not field["changed"]:
        return Text(f"  {name}  {field['after'] or '-'}", style="dim" if compared else "")
    before, after = ("(none)" if value is None else value or "-" for value in (field["before"], field["after"]))
    return Text(f"{MARK} {name}  {before} -> {after}", style=CHANGED)


def _answer(root: Tree, answer: Document | None) -> None:
    if answer is None:
        return
    where = "the kernel's worker" if answer["worker"] is None else f"worker {answer['worker']}"
    where = f"{answer['port']}, {where}" if "port" in answer else where
    how = {"rss": "RSS", "flow_director": "flow director", "default": "default queue"}[answer["by"]]
    handed = "" if answer["handed_to"] is None else f", which hands it to worker {answer['handed_to']}"
    text = Text(f"the {answer['from']}'s next packet {answer['flow']} will come to {where} by {how}{handed}: ")
    text.append(*_landing(answer))
    root.add(text)


def _landing(answer: Document) -> tuple[str, str]:
    """What is found there, and how good that is."""
    end = f"{answer['verdict']} ({answer['fate'].replace('_', ' ')})"
    if answer["home"]:
        sent = answer["fate"] == "transmitted"
        return ("home", "green") if sent else (f"home, but {end}", "bold red")
    if answer["alive"]:
        return f"not home, worker {answer['owner']} has the connection: {end}", "bold red"
    return f"no connection is left for it: {end}", "bold red"
