"""A word becomes words: variables, arrays, parameters, arithmetic, substitutions, braces."""

import pytest

from lbreplay.config.shell.expansion import Scope, arithmetic, expand, joined, shown
from lbreplay.config.shell.words import items
from lbreplay.errors import ConfigError


def scope() -> Scope:
    """A few variables and arrays."""
    made = Scope({"V": "10.0.0.1:80", "L": "a b", "N": "3", "E": "", "P": "/sbin/ip"})
    made.fill("A", ["x", "y z"])
    made.associative.add("M")
    made.fill("M", ["[web]=1", "[dns]=2"])
    return made


def words(text: str, known: Scope | None = None) -> list[str]:
    """What the words of *text* become."""
    known = known or scope()
    return [shown(text) for item in items("s", text) if item.word for text in expand(item.word, known)]


@pytest.mark.parametrize(
    "text, found",
    [
        ("$V ${V} x${V}y", ["10.0.0.1:80", "10.0.0.1:80", "x10.0.0.1:80y"]),
        ('$L "$L" x$L', ["a", "b", "a b", "xa", "b"]),
        ('$E "$E" $NONE ${NONE:-d} ${E:-d} ${E-d} ${V:+s} ${E:+s}', ["", "d", "d", "s"]),
        ("${NONE:=9} $NONE", ["9", "9"]),
        ("${A[@]} ${A[*]}", ["x", "y", "z", "x", "y", "z"]),
        ('"${A[@]}" "${A[*]}" "a${A[@]}b"', ["x", "y z", "x y z", "ax", "y zb"]),
        ("$A ${A[1]} ${#A[@]} ${!A[@]} ${A[N-2]}", ["x", "y", "z", "2", "0", "1", "y", "z"]),
        ("${M[web]} ${M[dns]} ${!M[@]}", ["1", "2", "web", "dns"]),
        ('"${NONE[@]}" x', ["x"]),
        ("${V%:*} ${V#*:} ${V%%.*} ${V##*.} ${P##*/} ${P%/*}", ["10.0.0.1", "80", "10", "1:80", "ip", "/sbin"]),
        (
            "${V/0/9} ${V//0/9} ${V/:*/} ${V:3} ${V:0:2} ${#V}",
            ["19.0.0.1:80", "19.9.9.1:89", "10.0.0.1", "0.0.1:80", "10", "11"],
        ),
        ("${L^^}", ["A", "B"]),
        ("$((N + 1)) $((N*2-1)) $[N+2] $(( (1+2)*3 )) $((7/2)) $((N>2))", ["4", "5", "5", "9", "3", "1"]),
        (
            "{1..3} a{x,y}b {01..02} {3..1} {a..c} {1..9..4}",
            ["1", "2", "3", "axb", "ayb", "01", "02", "3", "2", "1", "a", "b", "c", "1", "5", "9"],
        ),
        ("x{1,2}{a,b} {a,{b,c}} {a}", ["x1a", "x1b", "x2a", "x2b", "a", "b", "c", "{a}"]),
        ("$(seq 2 4) `seq 2` $(seq 1 2 5)", ["2", "3", "4", "1", "2", "1", "3", "5"]),
        ("$(echo $V | cut -d: -f1) $(echo $V|awk -F: '{print $2}') $(echo a.b | tr . _)", ["10.0.0.1", "80", "a_b"]),
        ("$(which ipvsadm) $(basename $P) $(expr $N + 1)", ["ipvsadm", "ip", "4"]),
        ("'$V' \\$V \"\\$V\"", ["$V", "$V", "$V"]),
        ("$(hostname) `id -u` $1", ["$(hostname)", "$(id -u)", "$1"]),
    ],
)
def test_expansion(text: str, found: list[str]) -> None:
    """As bash has it; what only a run could tell stays as it stands."""
    assert words(text) == found


def test_positional_parameters() -> None:
    """Of a function they are known; one that is not given is nothing."""
    known = scope()
    known.positional = ["a b", "c"]
    assert words('$1 "$1" $2 $3 $# "$@" $* ${2}', known) == ["a", "b", "a b", "c", "2", "a b", "c", "a", "b", "c", "c"]
    assert "3" in known.unset


def test_separators() -> None:
    """IFS splits what was put in, never what was written."""
    known = Scope({"IFS": ":", "V": "1.1.1.1:80"})
    assert words("$V 2.2.2.2:80", known) == ["1.1.1.1", "80", "2.2.2.2:80"]


def test_assignments() -> None:
    """Elements, additions, and lists with indexes."""
    known = Scope()
    known.assign("V", "a")
    known.assign("V", "b", more=True)
    known.assign("A", "x", index="2")
    known.fill("A", ["y", "[7]=z"], more=True)
    assert known.variables == {"V": "ab"} and known.arrays == {"A": {"2": "x", "3": "y", "7": "z"}}
    assert joined(items("s", '"$V $V"')[0].word or pytest.fail("a word"), known) == "ab ab"


@pytest.mark.parametrize(
    "text, value",
    [
        ("1+2*3", "7"),
        ("(1+2)*3", "9"),
        ("010 + 1", "11"),
        ("1 &&", ""),
        ("2 ** 99999", ""),
        ("x", "0"),
        ("1/0", ""),
        ("a.b", ""),
        ("5 % 3", "2"),
        ("0x10", "16"),
        ("-3", "-3"),
        ("1 < 2 && 0", "0"),
        ("1 << 70", "0"),
        ("9" * 300, ""),
    ],
)
def test_arithmetic(text: str, value: str) -> None:
    """Whole numbers; what is none has no value, and nothing grows without end."""
    assert arithmetic(text, Scope()) == value


def test_too_many_words() -> None:
    """Braces multiply, and words grow: both end."""
    with pytest.raises(ConfigError, match="at most 100000 words"):
        words("{1..9999}{1..9999}")
    known = Scope({"V": "x" * 600_000})
    with pytest.raises(ConfigError, match="a word of at most"):
        words("$V$V", known)
