"""A word -> the words it becomes: variables, arrays, positional parameters, arithmetic, braces, and simple `$(...)`.

Nothing is run. What only a run could tell (`$(hostname)`, `$1` of the script) stays in the result, marked UNKNOWN.
"""

from __future__ import annotations

import ast
import fnmatch
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from lbreplay.config.shell.words import BACKTICK, DOLLAR, Word, items
from lbreplay.errors import ConfigError

UNKNOWN = "\1"  # stands for the `$` of what is not known
FIELD = "\2"  # between words that one expansion makes
MAX_WORDS = 100_000  # of one word
MAX_BRACES = 100  # of one word
MAX_LENGTH = 1 << 20  # of one word
NEXT = re.compile(r"\$\(\(|\$\(|\$\{|\$\[|`|\$(?P<name>[A-Za-z_]\w*|[\d@*#?!$-])")
PARAMETER = re.compile(r"(?P<prefix>[#!]?)(?P<name>\w+|[@*#?])(?:\[(?P<index>[^\]]*)\])?(?P<rest>.*)", re.DOTALL)
RANGE = re.compile(r"(-?\w+)\.\.(-?\w+)(?:\.\.(-?\d+))?")
ARITHMETIC = re.compile(r"(?:0[xX][0-9A-Fa-f]+\b|\d+(?![\w])|[A-Za-z_]\w*|[\s+\-*/%()<>=!&|^])*")
Array = dict[str, str]  # by index, in order


@dataclass
class Scope:
    """What is known at one moment: variables, arrays, and the parameters of a function; the script's are not."""

    variables: dict[str, str] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    positional: list[str] | None = None
    associative: set[str] = field(default_factory=set)  # arrays whose indexes are words
    unset: list[str] = field(default_factory=list)  # names used without a value, since somebody cleared it

    def value(self, name: str) -> str | None:
        """The text of a variable or parameter; None where it has none."""
        if name in ("?", "!", "-", "$"):
            return "0"  # commands are taken to succeed
        if name == "#":
            return str(len(self.parameters))
        if name.isdigit() and name != "0":
            return self._parameter(int(name))
        if name in self.arrays:
            return next(iter(self.arrays[name].values()), None)
        return self.variables.get(name)

    @property
    def parameters(self) -> list[str]:
        return [f"{UNKNOWN}1"] if self.positional is None else self.positional

    def _parameter(self, number: int) -> str | None:
        if self.positional is None:
            return f"{UNKNOWN}{number}"
        return self.positional[number - 1] if number <= len(self.positional) else None

    def elements(self, name: str) -> list[str]:
        """All of an array; of a plain variable its value."""
        if name in self.arrays:
            return list(self.arrays[name].values())
        value = self.variables.get(name)
        return [] if value is None else [value]

    def assign(self, name: str, value: str, index: str | None = None, more: bool = False) -> None:
        """`NAME=value`, `NAME[index]=value`; with *more* `+=`."""
        if index is None and name not in self.arrays:
            self.variables[name] = (self.variables.get(name, "") if more else "") + value
            return
        array = self.arrays.setdefault(name, {})
        key = "0" if index is None else self.index(name, index)
        array[key] = (array.get(key, "") if more else "") + value

    def index(self, name: str, text: str) -> str:
        found = substitute(text, self, quoted=True).strip("\"'")
        return found if name in self.associative else arithmetic(found, self) or found

    def fill(self, name: str, words: list[str], more: bool = False) -> None:
        """`NAME=(words)`; `[index]=value` where a word says it."""
        array = self.arrays.setdefault(name, {}) if more else {}
        for word in words:
            if found := re.fullmatch(r"\[([^\]]+)\]=(.*)", word, re.DOTALL):
                array[self.index(name, found[1])] = found[2]
            else:
                array[str(max((int(key) for key in array if key.isdigit()), default=-1) + 1)] = word
        self.arrays[name] = array
        self.variables.pop(name, None)


def expand(word: Word, scope: Scope) -> list[str]:
    """A word -> words: substitutions put in, what is not quoted split, braces spread."""
    fields, kept = [""], [False]
    for part in word.parts:
        text = substitute(part.text, scope, part.quoted)
        pieces = text.split(FIELD)
        fields[-1] += pieces[0]
        kept[-1] |= part.quoted and (len(pieces) > 1 or text != "" or not _is_list(part.text))
        fields += pieces[1:]
        kept += [part.quoted] * len(pieces[1:])
    quoted = any(part.quoted for part in word.parts)
    spread = [
        (text, keep) for one, keep in zip(fields, kept, strict=True) for text in ([one] if quoted else braces(one))
    ]
    return [text for text, keep in spread if text or keep]


def joined(word: Word, scope: Scope) -> str:
    """A word as one text, as assignments and `case` take it."""
    return "".join(substitute(part.text, scope, True) for part in word.parts).replace(FIELD, " ")


def shown(text: str) -> str:
    """What a word says, its marks written out."""
    return text.replace(DOLLAR, "$").replace(BACKTICK, "`").replace(UNKNOWN, "$").replace(FIELD, " ")


def _is_list(text: str) -> bool:
    """Whether quotes hold nothing but `$@` or `${NAME[@]}`, which may be no word at all."""
    return bool(re.fullmatch(r"\$@|\$\{@\}|\$\{\w+\[@\]\}", text))


def substitute(text: str, scope: Scope, quoted: bool) -> str:
    """*text* with all its `$...` put in; words that one of them makes are divided by FIELD."""
    found: list[str] = []
    at = 0
    while begin := NEXT.search(text, at):
        found.append(text[at : begin.start()])
        if begin["name"]:
            at, value = begin.end(), _name(begin["name"], scope, quoted)
        else:
            at, value = _bracketed(text, begin, scope, quoted)
        found.append(value if quoted or UNKNOWN in value else _split(value, scope))
        if sum(map(len, found)) > MAX_LENGTH:
            raise ConfigError(f"a word of at most {MAX_LENGTH} characters expected, got {text[:40]}")
    return "".join(found) + text[at:]


def _split(value: str, scope: Scope) -> str:
    separators = scope.variables.get("IFS", " \t\n")
    return re.sub(f"[{re.escape(separators)}]+", FIELD, value) if separators else value


def _name(name: str, scope: Scope, quoted: bool) -> str:
    if name in "@*":
        return (FIELD if name == "@" or not quoted else " ").join(scope.parameters)
    value = scope.value(name)
    if value is None:
        scope.unset.append(name)
    return value or ""


def _bracketed(text: str, begin: re.Match[str], scope: Scope, quoted: bool) -> tuple[int, str]:
    """(where it ends, value) of `$((..))`, `$(..)`, `${..}`, `$[..]` or backticks."""
    opening = begin.group()
    closing = {"$((": "))", "$(": ")", "${": "}", "$[": "]", "`": "`"}[opening]
    end = _end(text, begin.end(), opening[-1], closing)
    if end < 0:
        return len(text), text[begin.start() :].replace("$", DOLLAR)
    inside, whole = text[begin.end() : end - len(closing)], text[begin.start() : end]
    if opening == "${":
        return end, _parameter(inside, scope, quoted)
    if opening in ("$((", "$["):
        return end, arithmetic(substitute(inside, scope, True), scope) or UNKNOWN + whole[1:]
    value = _command(inside, scope)
    return end, f"{UNKNOWN}({inside})" if value is None else value


def _end(text: str, at: int, up: str, closing: str) -> int:
    if closing == "`":
        return text.find("`", at) + 1 or -1
    depth = len(closing)
    while at < len(text):
        depth += (text[at] == up) - (text[at] == closing[0])
        at += 1
        if not depth:
            return at
    return -1


# --- ${...} ----------------------------------------------------------------------------------------------------------


def _parameter(inside: str, scope: Scope, quoted: bool) -> str:
    found = PARAMETER.fullmatch(inside)
    if found is None:
        return f"{UNKNOWN}{{{inside}}}"
    name, index, rest = found["name"], found["index"], found["rest"]
    if found["prefix"] == "!":
        return _indirect(name, index, scope)
    listed = index in ("@", "*") or name in ("@", "*")
    values = (scope.parameters if name in ("@", "*") else scope.elements(name)) if listed else None
    if found["prefix"] == "#":
        return str(len(values) if values is not None else len(_single(name, index, scope) or ""))
    if values is not None:
        if rest.startswith(":") and rest[1:2].isdigit():
            return FIELD.join(_slice(values, rest, scope))
        glue = FIELD if (index or name) == "@" or not quoted else " "
        return glue.join(_changed(value, rest, scope) for value in values)
    return _with_default(name, _single(name, index, scope), rest, scope)


def _single(name: str, index: str | None, scope: Scope) -> str | None:
    return scope.value(name) if index is None else scope.arrays.get(name, {}).get(scope.index(name, index))


def _indirect(name: str, index: str | None, scope: Scope) -> str:
    """`${!NAME[@]}`: the indexes; `${!NAME}`: the variable that NAME names."""
    if index in ("@", "*"):
        return FIELD.join(scope.arrays.get(name, {}))
    return scope.value(scope.value(name) or "") or ""


def _slice(values: list[str], rest: str, scope: Scope) -> list[str]:
    first, _, count = rest[1:].partition(":")
    start = int(arithmetic(first, scope) or 0)
    return values[start : start + int(arithmetic(count, scope) or 0) if count else None]


def _with_default(name: str, value: str | None, rest: str, scope: Scope) -> str:
    """`-`, `=`, `+` and `?` with or without a colon, then what changes a value."""
    if found := re.match(r"(:?)([-=+?])(.*)", rest, re.DOTALL):
        known = value is not None and not value.startswith(UNKNOWN) and (value != "" or not found[1])
        if found[2] == "+":
            return substitute(found[3], scope, True) if known else ""
        if not known and found[2] in "-=":
            default = substitute(found[3].strip("\"'"), scope, True)
            if found[2] == "=":
                scope.assign(name, default)
            return default
        rest = ""
    if value is None:
        scope.unset.append(name)
    return _changed(value or "", rest, scope)


def _changed(value: str, rest: str, scope: Scope) -> str:
    """`#`, `##`, `%`, `%%`, `/`, `//`, `:start:length`, `^^` and `,,` of a value."""
    if not rest or UNKNOWN in value:
        return value
    if found := re.fullmatch(r"(##|#|%%|%)(.*)", rest, re.DOTALL):
        return _cut(value, found[1], substitute(found[2], scope, True).strip("\"'"))
    if found := re.fullmatch(r"(//|/)([^/]*)(?:/(.*))?", rest, re.DOTALL):
        pattern = re.compile(_pattern(substitute(found[2], scope, True)))
        new = substitute(found[3] or "", scope, True)
        return pattern.sub(lambda _: new, value, 0 if found[1] == "//" else 1)
    if found := re.fullmatch(r":\s*(-?\d+)(?::(\d+))?", rest):
        start = int(found[1])
        return value[start:][: int(found[2]) if found[2] else None]
    return {"^^": value.upper(), ",,": value.lower()}.get(rest, f"{UNKNOWN}{{...{rest}}}")


def _cut(value: str, how: str, pattern: str) -> str:
    """The shortest or longest (`##`, `%%`) beginning or end that fits *pattern*, taken away."""
    whole = re.compile(_pattern(pattern) + r"\Z", re.DOTALL)
    front = how[0] == "#"
    places = range(len(value) + 1) if front == (len(how) == 1) else range(len(value), -1, -1)
    for at in places:
        if whole.match(value[:at] if front else value[at:]):
            return value[at:] if front else value[:at]
    return value


def _pattern(text: str) -> str:
    """A pattern of the shell as a regular expression."""
    return fnmatch.translate(text).removesuffix(r"\Z").removesuffix(r"\z")


# --- $((...)) and $(...) ---------------------------------------------------------------------------------------------

OPERATORS: dict[type, Callable[[int, int], int]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.BitAnd: operator.and_,
    ast.BitOr: operator.or_, ast.BitXor: operator.xor, ast.Div: lambda a, b: int(a / b), ast.Mod: operator.mod,
    ast.LShift: lambda a, b: a << min(b, 64), ast.RShift: lambda a, b: a >> min(b, 64), ast.Lt: operator.lt,
    ast.Gt: operator.gt, ast.LtE: operator.le, ast.GtE: operator.ge, ast.Eq: operator.eq, ast.NotEq: operator.ne,
}  # fmt: skip


def arithmetic(text: str, scope: Scope) -> str:
    """The value of whole numbers with operators and names, as text; empty where it is none."""
    if len(text) > 200 or UNKNOWN in text or not ARITHMETIC.fullmatch(text):
        return ""
    spelled = re.sub(r"\b0+(?=[1-9])", "", text.strip()).replace("&&", " and ").replace("||", " or ")
    try:
        return str(_evaluate(ast.parse(spelled, mode="eval").body, scope))
    except (SyntaxError, ValueError, ArithmeticError, KeyError, RecursionError, MemoryError):
        return ""


def _evaluate(node: ast.expr, scope: Scope) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int:
        return node.value
    if isinstance(node, ast.Name):
        return int(scope.value(node.id) or "0")
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _evaluate(node.operand, scope)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, ast.BinOp):
        found = OPERATORS[type(node.op)](_evaluate(node.left, scope), _evaluate(node.right, scope))
        return int(found) & (2**64 - 1) if found >= 2**64 else int(found)
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = _evaluate(node.left, scope), _evaluate(node.comparators[0], scope)
        return int(OPERATORS[type(node.ops[0])](left, right))
    if isinstance(node, ast.BoolOp):
        values = [_evaluate(value, scope) != 0 for value in node.values]
        return int(all(values) if isinstance(node.op, ast.And) else any(values))
    raise ValueError("arithmetic")


def _command(text: str, scope: Scope) -> str | None:
    """The output of `$(text)`, of the few commands whose output is known; None of others."""
    try:
        stages = [stage for stage in text.split("|") if stage.strip()]
        words = [[w for item in items("", stage) if item.word for w in expand(item.word, scope)] for stage in stages]
        plain = not any(item.operator.strip() for stage in stages for item in items("", stage))
    except ConfigError:
        return None
    if not words or not all(words) or any(UNKNOWN in word for stage in words for word in stage):
        return None
    output = _first(words[0]) if plain or words[0][0] in ("which", "command", "type") else None
    for stage in words[1:]:
        output = None if output is None else _filtered(output, stage)
    return None if output is None else output.rstrip("\n")


def _first(words: list[str]) -> str | None:
    name, rest = words[0], words[1:]
    if name == "seq":
        return _seq(rest)
    if name == "echo":
        return " ".join(rest[1:] if rest[:1] in (["-n"], ["-e"]) else rest)
    if name == "which" or (name in ("command", "type") and rest[:1] in (["-v"], ["-p"], ["-P"])):
        return rest[-1] if rest else None
    if name in ("basename", "dirname") and rest:
        return rest[0].rstrip("/").rpartition("/")[2 if name == "basename" else 0]
    return (arithmetic(" ".join(rest), Scope()) or None) if name == "expr" else None


def _filtered(text: str, words: list[str]) -> str | None:
    """What `cut -d C -f N`, `awk -F C '{print $N}'` and `tr A B` make of *text*."""
    line = " ".join(words)
    if found := re.fullmatch(r"cut -d ?(.) -f ?(\d+)|cut -f ?(\d+) -d ?(.)", line, re.DOTALL):
        return "\n".join(_column(one, found[1] or found[4], found[2] or found[3]) for one in text.split("\n"))
    if found := re.fullmatch(r"awk (?:-F ?(\S) )?\{ ?print [\0$](\d+) ?;?\}", line):
        return "\n".join(_column(one, found[1], found[2]) for one in text.split("\n"))
    if found := re.fullmatch(r"tr (.) (.)", line, re.DOTALL):
        return text.replace(found[1], found[2])
    return None


def _column(line: str, separator: str | None, number: str) -> str:
    columns = line.split(separator or None)
    return columns[int(number) - 1] if 0 < int(number) <= len(columns) else ""


def _seq(words: list[str]) -> str | None:
    if not 1 <= len(words) <= 3 or not all(re.fullmatch(r"-?\d{1,9}", word) for word in words):
        return None
    numbers = [int(word) for word in words]
    first, step, last = {1: [1, 1, *numbers], 2: [*numbers[:1], 1, *numbers[1:]], 3: numbers}[len(numbers)]
    turns = range(first, last + (1 if step > 0 else -1), step or 1)[:MAX_WORDS]
    return "\n".join(map(str, turns))


# --- braces ----------------------------------------------------------------------------------------------------------


def braces(text: str) -> list[str]:
    """`a{1..3}b` -> a1b a2b a3b; `{x,y}` -> x y. ConfigError for more than MAX_WORDS."""
    if not 0 < text.count("{") <= MAX_BRACES or UNKNOWN in text:
        return [text]
    for begin in re.finditer(r"(?<!\$)\{", text):
        pieces, end = _group(text, begin.end())
        if pieces is not None and (inside := _members(pieces)):
            after = braces(text[end:])
            if len(inside) * len(after) > MAX_WORDS:
                raise ConfigError(f"at most {MAX_WORDS} words from braces expected, got {text[:40]}")
            return [text[: begin.start()] + one + rest for one in inside for rest in after]
    return [text]


def _group(text: str, at: int) -> tuple[list[str] | None, int]:
    """What stands between the commas of the braces that open before *at*, and where they end; None: they do not."""
    pieces, depth = [""], 1
    for n in range(at, len(text)):
        depth += (text[n] == "{") - (text[n] == "}")
        if not depth:
            return pieces, n + 1
        if text[n] == "," and depth == 1:
            pieces.append("")
        else:
            pieces[-1] += text[n]
    return None, len(text)


def _members(pieces: list[str]) -> list[str]:
    """The words of one group; none where braces mean themselves."""
    if len(pieces) > 1:
        return [word for piece in pieces for word in braces(piece)]
    found = RANGE.fullmatch(pieces[0])
    return (_range(found[1], found[2], found[3]) or []) if found else []


def _range(low: str, high: str, step: str | None) -> list[str] | None:
    if re.fullmatch(r"-?\d{1,9}", low) and re.fullmatch(r"-?\d{1,9}", high):
        first, last = int(low), int(high)
        width = len(low) if low.startswith("0") and len(low) > 1 else 0
        turn = max(abs(int(step or 1)), 1) * (1 if first <= last else -1)
        return [str(n).zfill(width) for n in range(first, last + (1 if turn > 0 else -1), turn)[: MAX_WORDS + 1]]
    if len(low) == len(high) == 1:
        return [chr(n) for n in range(ord(low), ord(high) + 1)] or None
    return None
