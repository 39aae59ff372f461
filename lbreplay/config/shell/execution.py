"""The tree of a script -> the commands it would run, in the order it would run them.

The script is taken as called with `start`, and its commands as successful. What only a run could tell (files, the
output of commands, conditions about the machine) is not guessed: it is named as skipped, with how many commands of
the balancer were in it.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from lbreplay.config.shell.conditions import Status, decides, judge
from lbreplay.config.shell.effects import BALANCER, inner_script, reads_rules, runs_elsewhere, said, writes_setting
from lbreplay.config.shell.expansion import UNKNOWN, Scope, arithmetic, expand, joined, shown, substitute
from lbreplay.config.shell.statements import (
    Arithmetic,
    Brackets,
    Case,
    Chain,
    Comment,
    Count,
    For,
    Function,
    Group,
    If,
    Node,
    Pipe,
    Simple,
    While,
    head,
    inside,
    parse,
    shown_all,
)
from lbreplay.config.shell.words import Word, items
from lbreplay.errors import ConfigError

MAX_COMMANDS = 100_000  # after expansion
MAX_TURNS = 10_000  # of one loop by a condition
MAX_CALLS = 50  # of functions in functions
ACTION = "start"  # what the script's first parameter is taken to be, where it decides
ASSIGNED = re.compile(r"([A-Za-z_]\w*)(?:\[([^\]]*)\])?(\+?)=", re.DOTALL)
DECLARES = ("export", "local", "declare", "readonly", "typeset")
UNDOES = re.compile(r"\s(?:-[dDeEQVY]\w*|--(?:delete|edit|del)-\w+|del|flush)(?=\s|$)")  # commands that take away
UNSURE = {"grep", "egrep", "fgrep", "pgrep", "pidof", "ping", "lsmod", "curl", "diff", "cmp", "systemctl", "service",
          "id", "mountpoint", "nc", "ps", "find"}  # fmt: skip
LIBRARIES = re.compile(r"/(?:lib/lsb/init-functions|etc/(?:rc\.d/)?init\.d/functions)$")
SAYS = ("echo", "printf")


class Command(NamedTuple):
    """A simple command: where, its words, the text on its standard input, and the file its output goes to.

    A comment has the word `#`. `unset` names variables in it that had no value.
    """

    line: int
    words: list[str]
    document: str = ""
    into: str = ""
    unset: tuple[str, ...] = ()


class Skipped(NamedTuple):
    """What is not run, and how many commands of the balancer with it; *taken*: it is run, though it need not be."""

    line: int
    what: str
    commands: int = 0
    taken: bool = False


Step = Command | Skipped


class _Leave(Exception):
    """`exit`, `return`, `break` or `continue`."""

    def __init__(self, how: str, levels: int = 1) -> None:
        super().__init__(how)
        self.how = how
        self.levels = levels


def commands(name: str, text: str, arguments: Sequence[str] | None = None) -> Iterator[Step]:
    """The commands of *text* in the order in which the shell would run them. ConfigError at a syntax error.

    *arguments*: the script's parameters; None: they are not known, and the first is ACTION where it decides.
    """
    run = _Run(name)
    run.scope.positional = None if arguments is None else list(arguments)
    try:
        yield from run.body(parse(name, items(name, text)))
    except _Leave:
        return
    except RecursionError:
        raise ConfigError(f"{name}:{run.line}: statements nested too deep") from None


class _Run:
    """One execution, with a limit on its steps: loops multiply."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.scope = Scope()
        self.functions: dict[str, Node] = {}
        self.status: Status = True
        self.steps = 0
        self.calls = 0
        self.line = 0
        self.cluster = ""  # options of one word that getopts has not given yet

    def body(self, nodes: Iterable[Node]) -> Iterator[Step]:
        for node in nodes:
            self._tick(node.line)
            yield from self._node(node)

    def _tick(self, line: int) -> None:
        self.steps += 1
        self.line = line
        if self.steps > MAX_COMMANDS:
            raise ConfigError(f"{self.name}:{line}: more than {MAX_COMMANDS} commands, loops expanded")

    def _node(self, node: Node) -> Iterator[Step]:
        try:
            yield from STATEMENTS[type(node)](self, node)
        except ConfigError as error:
            raise ConfigError(self._placed(str(error), node.line)) from None

    def _placed(self, message: str, line: int) -> str:
        return message if message.startswith(f"{self.name}:") else f"{self.name}:{line}: {message}"

    def _skip(self, line: int, what: str, *nodes: Node) -> Skipped:
        return Skipped(line, shown(what), sum(self.balancers(node) for node in nodes))

    # statements

    def _comment(self, node: Comment) -> Iterator[Step]:
        yield Command(node.line, ["#", node.text])

    def _define(self, node: Function) -> Iterator[Step]:
        assert node.body is not None, "the parser gives every function a body"
        self.functions[node.name] = node.body
        return iter(())

    def _group(self, node: Group) -> Iterator[Step]:
        return self.body(node.body)

    def _chain(self, node: Chain) -> Iterator[Step]:
        for operator, link in node.links:
            if operator and self.status is None:
                if count := self.balancers(link):
                    yield Skipped(link.line, f"{operator} {head(link)}: whether it runs is not known", count)
            elif not operator or self.status == (operator == "&&"):
                yield from self._node(link)

    def _pipe(self, node: Pipe) -> Iterator[Step]:
        *before, last = node.stages
        if before and isinstance(last, While):
            yield self._skip(node.line, f"{head(before[-1])} | {head(last)}: the output of a command is not read", last)
        elif before and isinstance(last, Simple):
            yield from self._fed(before, last)
        else:
            for stage in node.stages:
                yield from self._node(stage)
        if node.negated and self.status is not None:
            self.status = not self.status

    def _fed(self, before: list[Node], last: Simple) -> Iterator[Step]:
        """`echo TEXT | COMMAND`, `cat << EOF | COMMAND`; of others the commands one after the other."""
        steps = [step for stage in before for step in self._node(stage)]
        text = written(steps[-1]) if steps else None
        for step in self._simple(last):
            if not isinstance(step, Command) or not (reads_rules(step.words) or writes_setting(step.words)):
                yield from [*steps, step]
            elif text is None:
                yield self._skip(last.line, f"{' '.join(step.words)}: its input is not read", last)
            elif reads_rules(step.words):
                yield step._replace(document=text)
            else:
                yield Command(step.line, ["echo", text.strip()], into=step.words[-1])

    # branches

    def _if(self, node: If) -> Iterator[Step]:
        for condition, body in node.branches:
            if condition:
                yield from self.body(condition)
            if self.status is None and condition:
                yield from self._undecided(node)
                return
            if self.status or not condition:
                yield from self.body(body)
                return
        self.status = True

    def _undecided(self, node: If) -> Iterator[Step]:
        """A condition about the machine: where one branch alone sets up the balancer, the script is there for it."""
        what = f"if {shown_all(node.branches[0][0])}: only a run could tell"
        holding = [body for _, body in node.branches if any(map(self.balancers, body))]
        commands = [command for inner in holding[0] for command in self._ours(inner)] if len(holding) == 1 else []
        if commands and not any(map(UNDOES.search, commands)):
            yield Skipped(node.line, f"{what}; the branch that sets up the balancer is taken", taken=True)
            yield from self.body(holding[0])
        else:
            yield self._skip(node.line, what, *(inner for body in holding for inner in body))
        self.status = True

    def _case(self, node: Case) -> Iterator[Step]:
        subject = joined(node.subject, self.scope)
        unknown = UNKNOWN in subject and subject != f"{UNKNOWN}1"
        chosen = ACTION if subject == f"{UNKNOWN}1" else subject
        for patterns, body in node.branches if not unknown else ():
            if any(fnmatch.fnmatchcase(chosen, joined(pattern, self.scope)) for pattern in patterns):
                if subject == chosen or not _catches_all(patterns):
                    yield from self.body(body)
                    return
                unknown = True
        if unknown:
            within = [inner for _, body in node.branches for inner in body]
            why = "none of its branches is start" if chosen != subject else "only a run could tell"
            yield self._skip(node.line, f"case {node.subject.raw}: {why}", *within)

    def _for(self, node: For) -> Iterator[Step]:
        words = (
            self.scope.parameters
            if node.words is None
            else [w for word in node.words for w in expand(word, self.scope)]
        )
        if unknown := next((word for word in words if UNKNOWN in word), None):
            yield self._skip(node.line, f"for {node.name} in {unknown}: it is not known", *node.body)
            return
        for value in words:
            self.scope.assign(node.name, value)
            if not (yield from self._turn(node.body)):
                return

    def _turn(self, body: list[Node]) -> Generator[Step, None, bool]:
        """One turn of a loop; False where it leaves the loop."""
        try:
            yield from self.body(body)
        except _Leave as leave:
            if leave.how not in ("break", "continue"):
                raise
            if leave.levels > 1:
                raise _Leave(leave.how, leave.levels - 1) from None
            return leave.how == "continue"
        return True

    def _count_loop(self, node: Count) -> Iterator[Step]:
        start, until, step = node.parts
        self._compute(start)
        while (found := arithmetic(until, self.scope)) not in ("", "0"):
            self._tick(node.line)
            if not (yield from self._turn(node.body)):
                return
            self._compute(step)
        if not found:
            yield self._skip(node.line, f"for (({'; '.join(node.parts)})): it cannot be counted", *node.body)

    def _while(self, node: While) -> Iterator[Step]:
        condition = node.condition[0] if len(node.condition) == 1 else None
        if isinstance(condition, Simple) and _is_read(condition):
            yield from self._read_loop(node, condition)
            return
        options = [word.raw for word in condition.words[:1]] == ["getopts"] if isinstance(condition, Simple) else False
        known = options and self.scope.positional is not None
        if not known and not any(decides(inner) for inner in node.condition):
            yield self._skip(node.line, f"{head(node)} {shown_all(node.condition)}: only a run could tell", *node.body)
            return
        for _ in range(MAX_TURNS):
            yield from self.body(node.condition)
            if self.status is None:
                why = "only a run could tell"
                yield self._skip(node.line, f"{head(node)} {shown_all(node.condition)}: {why}", *node.body)
            if self.status is None or self.status == node.until or not (yield from self._turn(node.body)):
                self.status = True
                return
        raise ConfigError(f"{self.name}:{node.line}: a loop of at most {MAX_TURNS} turns expected")

    def _read_loop(self, node: While, condition: Simple) -> Iterator[Step]:
        """`while read NAMES; do ... done`: of a text that stands in the script."""
        text = self._input(node)
        if text is None:
            source = next(
                (shown(joined(word, self.scope)) for sign, word in node.redirects if sign == "<"), "its input"
            )
            yield self._skip(node.line, f"while read: {source} is not read", *node.body)
            return
        words = [word for word in condition.words if not ASSIGNED.match(word.raw)][1:]
        names = [word.raw for word in words if not word.raw.startswith("-")]
        separators = next(
            (joined(word, self.scope)[4:] for word in condition.words if word.raw.startswith("IFS=")), None
        )
        for line in text.splitlines():
            self._spread(names, line, separators)
            if not (yield from self._turn(node.body)):
                return

    def _spread(self, names: list[str], line: str, separators: str | None = None) -> None:
        """A line to variables, the rest of it to the last."""
        if separators is None:
            separators = self.scope.variables.get("IFS", " \t\n")
        words = [word for word in re.split(f"[{re.escape(separators)}]+" if separators else r"\Z", line) if word]
        for n, name in enumerate(names):
            self.scope.assign(name, (" ".join(words[n:]) if n == len(names) - 1 else "".join(words[n : n + 1])))

    def _input(self, node: Node) -> str | None:
        """A here-document or here-string; None where there is none."""
        if node.document is not None:
            return shown(substitute(node.document.text, self.scope, True))
        return next((joined(word, self.scope) + "\n" for sign, word in node.redirects if sign == "<<<"), None)

    # conditions

    def _arithmetic(self, node: Arithmetic) -> Iterator[Step]:
        found = self._compute(node.text)
        self.status = None if found == "" else found != "0"
        return iter(())

    def _compute(self, text: str) -> str:
        """Arithmetic that may assign: `i++`, `i += 2`, `i = 3`."""
        if found := re.fullmatch(r"\s*([A-Za-z_]\w*)\s*(\+\+|--)\s*|\s*(\+\+|--)\s*([A-Za-z_]\w*)\s*", text):
            name, sign = found[1] or found[4], found[2] or found[3]
            value = arithmetic(f"{name} {sign[0]} 1", self.scope)
        elif found := re.fullmatch(r"\s*([A-Za-z_]\w*)\s*([-+*/%]?)=(?!=)(.*)", text, re.DOTALL):
            name, right = found[1], substitute(found[3], self.scope, True)
            value = arithmetic(f"{name} {found[2]} ({right})" if found[2] else right, self.scope)
        else:
            return arithmetic(substitute(text, self.scope, True), self.scope)
        self.scope.assign(name, value)
        return value

    def _test(self, node: Brackets) -> Iterator[Step]:
        self.status = self._judge([joined(word, self.scope) for word in node.words], pattern=True)
        return iter(())

    def _judge(self, words: list[str], pattern: bool = False) -> Status:
        """What `[ ... ]` would say; None where only a run could tell."""
        words = [word.replace(f"{UNKNOWN}1", ACTION) for word in words]
        if any(UNKNOWN in word for word in words):
            return None
        return judge([shown(word) for word in words], pattern)

    # simple commands

    def _simple(self, node: Simple) -> Iterator[Step]:
        words = list(node.words)
        before = self.scope.variables.get("IFS")
        while words and self._assigned(words[0]):
            words.pop(0)
        self.scope.unset.clear()
        expanded = [text for word in words for text in expand(word, self.scope)]
        unset = tuple(dict.fromkeys(self.scope.unset))
        self.status = True
        if expanded:
            yield from self._command(node, words, expanded, unset)
            if len(words) < len(node.words) and before != self.scope.variables.get("IFS"):
                self.scope.variables.pop("IFS", None)
                self.scope.variables |= {} if before is None else {"IFS": before}

    def _assigned(self, word: Word) -> bool:
        """Carry out `NAME=value`; False where the word is none."""
        first = word.parts[0]
        found = None if first.quoted else ASSIGNED.match(first.text)
        if found is None:
            return False
        name, index, more = found[1], found[2], bool(found[3])
        if word.array is not None:
            self.scope.fill(name, [text for one in word.array for text in expand(one, self.scope)], more)
        else:
            rest = Word((first._replace(text=first.text[found.end() :]), *word.parts[1:]))
            self.scope.assign(name, joined(rest, self.scope), index, more)
        return True

    def _command(self, node: Simple, words: list[Word], expanded: list[str], unset: tuple[str, ...]) -> Iterator[Step]:
        name = expanded[0]
        if name in self.functions:
            yield from self._call(node, expanded)
        elif name in BUILTINS:
            yield from BUILTINS[name](self, node, words, expanded)
        elif unknown := next((word for word in expanded if UNKNOWN in word), None):
            self.status = None
            why = "is not run" if f"{UNKNOWN}(" in unknown or "`" in unknown else "is not known"
            yield self._skip(node.line, f"{' '.join(expanded)}: {unknown} {why}", node)
        else:
            self.status = None if name.rpartition("/")[2] in UNSURE else True
            yield from self._outside(node, [shown(word) for word in expanded], unset)

    def _outside(self, node: Simple, words: list[str], unset: tuple[str, ...]) -> Iterator[Step]:
        """A command that is no function and no builtin."""
        if (text := inner_script(words)) is not None:
            yield from self._text(node.line, text)
        elif runs_elsewhere(words):
            yield Skipped(node.line, f"{' '.join(words)}: what {words[0]} runs is not followed", 1)
        else:
            yield from self._plain(node, words, unset)

    def _text(self, line: int, text: str) -> Iterator[Step]:
        """Statements in a text, as `eval` and `sh -c` run them."""
        for step in self.body(parse(self.name, items(self.name, text))):
            yield step._replace(line=line)

    def _plain(self, node: Simple, words: list[str], unset: tuple[str, ...]) -> Iterator[Step]:
        text = self._input(node)
        files = [(sign.lstrip("0123456789"), shown(joined(word, self.scope))) for sign, word in node.redirects]
        source = next((path for sign, path in files if sign == "<"), None)
        if source and reads_rules(words) and text is None:
            yield Skipped(
                node.line, f"{' '.join(words)} < {source}: the file is not read, give it as --ipvsadm-save", 1
            )
            return
        into = next((path for sign, path in files if sign[:1] == ">" or sign[:2] == "&>"), "")
        yield Command(node.line, words, text or "", into, unset)

    def _call(self, node: Simple, expanded: list[str]) -> Iterator[Step]:
        """A function with its parameters; `return` ends it."""
        if self.calls >= MAX_CALLS:
            raise ConfigError(
                f"{self.name}:{node.line}: functions that call each other at most {MAX_CALLS} deep expected"
            )
        outer, self.scope.positional = self.scope.positional, expanded[1:]
        self.calls += 1
        try:
            yield from self._node(self.functions[expanded[0]])
        except _Leave as leave:
            if leave.how != "return":
                raise
        finally:
            self.calls -= 1
            self.scope.positional = outer

    # builtins

    def _do_declare(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        for word in words[1:]:
            if "A" in expanded[1] and expanded[1].startswith("-"):
                self.scope.associative.add(word.plain.partition("=")[0] or word.raw.partition("=")[0])
            self._assigned(word)
        return iter(())

    def _do_leave(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        levels = int(expanded[1]) if len(expanded) > 1 and expanded[1].isdecimal() else 1
        raise _Leave(expanded[0], max(levels, 1) if expanded[0] in ("break", "continue") else 1)

    def _do_test(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        found = [joined(word, self.scope) for word in words[1:]]
        self.status = self._judge(found[:-1] if found[-1:] == ["]"] else found)
        return iter(())

    def _do_true(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        self.status = expanded[0] != "false"
        return iter(())

    def _do_shift(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        count = int(expanded[1]) if len(expanded) > 1 and expanded[1].isdecimal() else 1
        self.scope.positional = (self.scope.positional or [])[count:]
        return iter(())

    def _do_set(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        if expanded[1:2] == ["--"]:
            self.scope.positional = expanded[2:]
        return iter(())

    def _do_unset(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        for name in expanded[1:]:
            self.scope.variables.pop(name, None)
            self.scope.arrays.pop(name, None)
            self.functions.pop(name, None)
        return iter(())

    def _do_let(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        for text in expanded[1:]:
            self._compute(text)
        return iter(())

    def _do_read(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        text, names = self._input(node), [word for word in expanded[1:] if not word.startswith("-")]
        array = any(re.fullmatch(r"-\w*a", word) for word in expanded[1:])
        if text is None:
            for name in names:
                self.scope.assign(name, f"{UNKNOWN}{name}")
        elif array and names:
            separators = self.scope.variables.get("IFS", " \t\n")
            self.scope.fill(
                names[0], [word for word in re.split(f"[{re.escape(separators)}]+", text.strip("\n")) if word]
            )
        else:
            self._spread(names, text.partition("\n")[0])
        return iter(())

    def _do_getopts(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        """`getopts SPEC NAME`: the next option of the parameters, where these are known."""
        spec, name = [*expanded[1:3], "", ""][:2]
        if self.scope.positional is None or not name:
            self.status = None
        else:
            self.status = self._next_option(spec, name, self.scope.positional)
        return iter(())

    def _next_option(self, spec: str, name: str, given: list[str]) -> bool:
        at = int(self.scope.value("OPTIND") or 1) - 1
        word = given[at] if at < len(given) else ""
        if not self.cluster and (word in ("", "-", "--") or not word.startswith("-")):
            return False
        letter, rest = (self.cluster or word[1:])[0], (self.cluster or word[1:])[1:]
        valued = f"{letter}:" in spec
        value = rest or (given[at + 1] if at + 1 < len(given) else "") if valued else ""
        self.cluster = "" if valued else rest
        self.scope.assign("OPTIND", str(at + 1 + (not self.cluster) + (valued and not rest)))
        self.scope.assign("OPTARG", value)
        self.scope.assign(name, letter if letter in spec and letter != ":" else "?")
        return True

    def _do_eval(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        return self._text(node.line, " ".join(map(shown, expanded[1:])))

    def _do_source(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        path = shown(expanded[1]) if len(expanded) > 1 else ""
        if not LIBRARIES.search(path):
            yield Skipped(node.line, f"{expanded[0]} {path}: the file is not read")

    def _do_nothing(self, node: Simple, words: list[Word], expanded: list[str]) -> Iterator[Step]:
        return iter(())

    # what is in a statement

    def balancers(self, node: Node) -> int:
        """How many commands of the balancer stand in *node*, and in the functions it calls."""
        return sum(1 for _ in self._ours(node))

    def _ours(self, node: Node | None, called: frozenset[str] = frozenset()) -> Iterator[str]:
        """Those commands as they stand."""
        if isinstance(node, Simple):
            name = node.words[0].plain if node.words else ""
            front = " ".join(joined(word, Scope(self.scope.variables, self.scope.arrays)) for word in node.words)
            if name in self.functions and name not in called:
                inner = list(self._ours(self.functions[name], called | {name}))
                yield from inner or ([front] if BALANCER.search(front) else [])
            elif BALANCER.search(front):
                yield front
        elif node is not None and not isinstance(node, (Comment, Function, Arithmetic, Brackets)):
            for below in inside(node):
                yield from self._ours(below, called)


STATEMENTS: dict[type[Node], Callable[[_Run, Any], Iterator[Step]]] = {
    Simple: _Run._simple,
    Arithmetic: _Run._arithmetic,
    Brackets: _Run._test,
    Group: _Run._group,
    Function: _Run._define,
    Chain: _Run._chain,
    Pipe: _Run._pipe,
    For: _Run._for,
    Count: _Run._count_loop,
    While: _Run._while,
    If: _Run._if,
    Case: _Run._case,
    Comment: _Run._comment,
}
BUILTINS: dict[str, Callable[[_Run, Simple, list[Word], list[str]], Iterator[Step]]] = {
    **dict.fromkeys(DECLARES, _Run._do_declare),
    **dict.fromkeys(("exit", "return", "break", "continue"), _Run._do_leave),
    **dict.fromkeys(("[", "test"), _Run._do_test),
    **dict.fromkeys(("true", "false", ":"), _Run._do_true),
    **dict.fromkeys((".", "source"), _Run._do_source),
    **dict.fromkeys(("trap", "shopt", "umask", "ulimit", "wait", "}", "fi", "done"), _Run._do_nothing),
    "shift": _Run._do_shift, "set": _Run._do_set, "unset": _Run._do_unset, "let": _Run._do_let,
    "read": _Run._do_read, "getopts": _Run._do_getopts, "eval": _Run._do_eval,
}  # fmt: skip


def _is_read(condition: Simple) -> bool:
    """Whether a loop goes on as long as it can read, maybe with separators of its own."""
    words = [word.raw for word in condition.words if not ASSIGNED.match(word.raw)]
    return words[:1] == ["read"]


def _catches_all(patterns: list[Word]) -> bool:
    return any(pattern.raw == "*" for pattern in patterns)


def written(step: Step) -> str | None:
    """What a command writes to a pipe: `echo`, `printf`, and `cat` of what stands in the script."""
    if not isinstance(step, Command) or step.words[0] not in (*SAYS, "cat"):
        return None
    if step.words[0] == "cat":
        return step.document if len(step.words) == 1 else None
    return said(step.words)
