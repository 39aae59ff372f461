"""Shell scripts are expanded to the commands they would run."""

import pytest

from lbreplay.config.shell import Command, Skipped, commands
from lbreplay.errors import ConfigError


def run(text: str) -> list[str]:
    """The commands of *text* as lines, skipped ones in brackets, comments left out."""
    found = []
    for one in commands("s.sh", text):
        if isinstance(one, Skipped):
            found.append(f"[{one.what}]")
        elif one.words[0] != "#":
            found.append(" ".join(one.words))
    return found


@pytest.mark.parametrize(
    "text, lines",
    [
        ("a b  c", ["a b c"]),
        ("a; b && c || d\n\ne &", ["a", "b", "c", "e"]),
        ("a b \\\n  c", ["a b c"]),
        ("ab\\\nc d\\", ["abc d"]),
        ("a # b\n#c\nd#e", ["a", "d#e"]),
        ("X=1 Y=2\na $X ${Y}z ${Z:-3} $Z.", ["a 1 2z 3 ."]),
        ("export X=1; a $X", ["a 1"]),
        ("X='1 2'; a $X \"$X\" '$X'", ["a 1 2 1 2 $X"]),
        ("for i in 1 2; do a $i; done", ["a 1", "a 2"]),
        ("for i in 1 2\ndo\n for j in x y; do a $i$j; done\ndone\nb", ["a 1x", "a 1y", "a 2x", "a 2y", "b"]),
        ("L='p q'\nfor i in $L r; do a $i; done", ["a p", "a q", "a r"]),
        ("for i in {1..3} {x,y}; do a $i; done", ["a 1", "a 2", "a 3", "a x", "a y"]),
        ("for i in $(seq 2 4) `seq 1`; do a 10.$i; done", ["a 10.2", "a 10.3", "a 10.4", "a 10.1"]),
        ("for i in 1 2; do a $((80 + i * 2)) $((7 / 2 - 1)); done", ["a 82 2", "a 84 2"]),
        ("a > x 2>&1; b 2>/dev/null; c < y >> z; d &> w", ["a", "b", "c", "d"]),
        ("if a; then b; for i in 1; do c; done; else x; fi; d", ["a", "b", "c", "d"]),
        ("f() { a $1; }\nb; f x; f y", ["b", "a x", "a y"]),
        ("while read x; do a $x; done; b", ["[while read: its input is not read]", "b"]),
        ("x=a; case $x in b) d;; a) b;; esac; c", ["b", "c"]),
        ("a $(hostname)", ["[a $(hostname): $(hostname) is not run]"]),
        ('a \\$x "\\$y"', ["a $x $y"]),
        ("a\r\nb\r\n", ["a", "b"]),
    ],
)
def test_expansion(text: str, lines: list[str]) -> None:
    """Each construct people keep in such scripts."""
    assert run(text) == lines


def test_lines_are_those_of_the_file() -> None:
    """A command knows the line it began on, behind here-documents and continued lines too."""
    text = "a\nb \\\n c\nd <<EOF\n1\n2\nEOF\ne 'x\ny'\nf"
    found = [one for one in commands("s.sh", text) if isinstance(one, Command)]
    assert [(one.line, one.words[0]) for one in found] == [(1, "a"), (2, "b"), (4, "d"), (8, "e"), (10, "f")]
    assert found[2].document == "1\n2\n"


def test_comments_are_kept() -> None:
    """A comment may carry what a reader looks for."""
    assert list(commands("s.sh", "a # $x `y`\n")) == [Command(1, ["a"]), Command(1, ["#", "$x `y`"])]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a 'b\nc", "s.sh:1: column 3: the quote is not closed"),
        ('a\nb "c', "s.sh:2: column 3: the quote is not closed"),
        ("a\nfor i in 1; do b", "s.sh:2: the loop is not closed by done"),
        ("for i in 1; b", "s.sh:1: column 1: for NAME in WORDS; do ... done expected"),
        ("if a; then b", "s.sh:1: column 1: if is not closed by fi"),
        ("a <<EOF\nb", "s.sh:1: the here-document is not closed by EOF"),
        ("for i in {1..1000}; do for j in {1..1000}; do x=1; done; done", "more than 100000 commands"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """Syntax errors have line and column; loops without end are ended."""
    with pytest.raises(ConfigError) as refused:
        run(text)
    assert message in str(refused.value)


RUN_CMD = """
IPVSADM_CMD="./ipvsadm "
LIPS=('10.0.2.1' '10.0.2.2')
run_cmd() {
    if [ "x$2" != "x" ]; then
        echo -n "$2 ... "
    else
        echo -n "$1 ... "
    fi
    $1 > /dev/null 2>&1
    check $?
}
check() { [ $1 -ne 0 ] && echo FAILED; }
rules() {
    for vip in 10.0.0.1 10.0.0.2; do
        run_cmd "$IPVSADM_CMD -A -t $vip:80 -s rr"
        for lip in ${LIPS[@]}; do run_cmd "$IPVSADM_CMD -P -z $lip -t $vip:80 -F dpdk0"; done
    done
}
"""


def ours(text: str) -> list[str]:
    """The balancer's commands of *text*, and what is skipped with its count."""
    found = []
    for one in commands("s.sh", text):
        if isinstance(one, Skipped):
            found.append(f"[{one.line}: {one.what}: {one.commands}]")
        elif "ipvsadm" in one.words[0] or "dpip" in one.words[0]:
            found.append(" ".join(one.words))
    return found


def test_functions_that_run_their_argument() -> None:
    """As DPVS's own scripts do it: a command in a string, given to a function."""
    assert ours(RUN_CMD + "rules") == [
        f"./ipvsadm {rest}"
        for vip in ("10.0.0.1", "10.0.0.2")
        for rest in (
            f"-A -t {vip}:80 -s rr",
            f"-P -z 10.0.2.1 -t {vip}:80 -F dpdk0",
            f"-P -z 10.0.2.2 -t {vip}:80 -F dpdk0",
        )
    ]


def test_a_function_that_nobody_calls_says_nothing() -> None:
    """Defining is not running."""
    assert ours(RUN_CMD) == []


def test_options_of_the_script_are_not_known() -> None:
    """What they would choose is named, with how many commands of the balancer are in it, through functions too."""
    (skipped,) = ours(RUN_CMD + 'while getopts "s" arg; do\n case $arg in\n s) rules ;;\n esac\ndone')
    assert skipped == "[20: while getopts s arg: only a run could tell: 2]"


TAKEN = "only a run could tell; the branch that sets up the balancer is taken"
START = """case "$1" in
 start)
 ipvsadm -A
 ;;
 stop|clean)
 ipvsadm -C
 ;;
 *)
 echo usage; exit 1
esac
ipvsadm -Z"""


@pytest.mark.parametrize(
    "text, found",
    [
        (START, ["ipvsadm -A", "ipvsadm -Z"]),
        (START.replace('"$1"', "$ACTION").replace("case", "ACTION=$1; case", 1), ["ipvsadm -A", "ipvsadm -Z"]),
        (START.replace("start)", "up)"), ["[1: case $1: none of its branches is start: 2]", "ipvsadm -Z"]),
        (START.replace('"$1"', '"$(uname)"'), ["[1: case $(uname): only a run could tell: 2]", "ipvsadm -Z"]),
        (START.replace('"$1"', '"${1:-stop}"'), ["ipvsadm -C", "ipvsadm -Z"]),
        ('if [ "$1" = "start" ]; then ipvsadm -A; elif [ "$1" = stop ]; then ipvsadm -C; fi', ["ipvsadm -A"]),
        ("if [ $# -lt 1 ]; then echo usage; exit 1; fi\nipvsadm -A", ["ipvsadm -A"]),
        ("while [ $# -gt 0 ]; do case $1 in start) ipvsadm -A;; esac; shift; done", ["ipvsadm -A"]),
    ],
)
def test_a_script_is_called_with_start(text: str, found: list[str]) -> None:
    """Its first parameter is start where it decides; without such a branch nothing is guessed."""
    assert ours(text) == found


@pytest.mark.parametrize(
    "text, found",
    [
        ("if [ -f /x ]; then ipvsadm -A; else ipvsadm -C; fi", ["[1: if [ -f /x ]: only a run could tell: 2]"]),
        ("if grep -q x /y; then ipvsadm -A; fi", [f"[1: if grep -q x /y: {TAKEN}: 0]", "ipvsadm -A"]),
        ("if [ -f /x ]; then echo; else ipvsadm -A; fi", [f"[1: if [ -f /x ]: {TAKEN}: 0]", "ipvsadm -A"]),
        ("f() { ipvsadm -A; }; if [ -f /x ]; then f; fi", [f"[1: if [ -f /x ]: {TAKEN}: 0]", "ipvsadm -A"]),
        ("if ping -c1 a; then ipvsadm -d -t b; fi", ["[1: if ping -c1 a: only a run could tell: 1]"]),
        (
            "if [ -f /x ]; then echo; exit; fi; ipvsadm -A",
            ["[1: if [ -f /x ]: only a run could tell: 0]", "ipvsadm -A"],
        ),
        ("[ -f /x ] && ipvsadm -A; ipvsadm -C", ["[1: && ipvsadm -A: whether it runs is not known: 1]", "ipvsadm -C"]),
        ("[ -x /sbin/ipvsadm ] || exit 0\nipvsadm -A", ["ipvsadm -A"]),
        ("ipvsadm -C || exit 1\nipvsadm -A", ["ipvsadm -C", "ipvsadm -A"]),
        ("X=1\n[ $X = 1 ] && ipvsadm -A || ipvsadm -C", ["ipvsadm -A"]),
        ("if [ $X ]; then ipvsadm -A; else ipvsadm -C; fi", ["ipvsadm -C"]),
        ("exit 0\nipvsadm -A", []),
        ("f() { return; ipvsadm -A; }; f; ipvsadm -C", ["ipvsadm -C"]),
        ("for i in 1 2 3; do [ $i = 2 ] && continue; ipvsadm -A $i; done", ["ipvsadm -A 1", "ipvsadm -A 3"]),
        ("for i in 1 2 3; do [ $i = 2 ] && break; ipvsadm -A $i; done", ["ipvsadm -A 1"]),
        ("for ((i=0; i<2; i++)); do ipvsadm -A $i; done", ["ipvsadm -A 0", "ipvsadm -A 1"]),
        ("i=0; while [ $i -lt 2 ]; do ipvsadm -A $i; i=$((i+1)); done", ["ipvsadm -A 0", "ipvsadm -A 1"]),
        ("i=0; until (( i >= 2 )); do ipvsadm -A $i; let i++; done", ["ipvsadm -A 0", "ipvsadm -A 1"]),
        ("while true; do ipvsadm -A; done", ["[1: while true: only a run could tell: 1]"]),
        ("while sleep 5; do ipvsadm -A; done", ["[1: while sleep 5: only a run could tell: 1]"]),
        ("for x in $(cat f); do ipvsadm -A $x; done", ["[1: for x in $(cat f): it is not known: 1]"]),
        ("while read x; do ipvsadm -A $x; done < f.txt", ["[1: while read: f.txt is not read: 1]"]),
        (
            "cat f | while read x; do ipvsadm -A $x; done",
            ["[1: cat f | while: the output of a command is not read: 1]"],
        ),
        ("while read x y; do ipvsadm -A $y $x; done <<E\n1 2\n3 4\nE\n", ["ipvsadm -A 2 1", "ipvsadm -A 4 3"]),
        ("while IFS=: read -r x y; do ipvsadm $y $x; done <<E\n1:2\n3:4\nE\n", ["ipvsadm 2 1", "ipvsadm 4 3"]),
        ("while IFS=: read x; do ipvsadm $x; done < f", ["[1: while read: f is not read: 1]"]),
        ("ipvsadm -R < f", ["[1: ipvsadm -R < f: the file is not read, give it as --ipvsadm-save: 1]"]),
        ("cat f | ipvsadm -R", ["[1: ipvsadm -R: its input is not read: 1]"]),
        ("VIP=$(hostname -i)\nipvsadm -A $VIP", ["[2: ipvsadm -A $(hostname -i): $(hostname -i) is not run: 1]"]),
        ("ipvsadm -A -t $1:80", ["[1: ipvsadm -A -t $1:80: $1:80 is not known: 1]"]),
        (". ./lib.sh\n. /etc/init.d/functions", ["[1: . ./lib.sh: the file is not read: 0]"]),
        ("read -p x VIP; ipvsadm -A $VIP", ["[1: ipvsadm -A $VIP: $VIP is not known: 1]"]),
        ("IFS=, read -ra A <<< 'x,y'; for a in ${A[@]}; do ipvsadm $a; done", ["ipvsadm x", "ipvsadm y"]),
        ("for s in 10.0.0.1:80; do IFS=: read ip port <<< $s; ipvsadm $port $ip; done", ["ipvsadm 80 10.0.0.1"]),
        ("declare -A R=([a]=1 [b]=2)\nfor k in ${!R[@]}; do ipvsadm $k ${R[$k]}; done", ["ipvsadm a 1", "ipvsadm b 2"]),
        ("local A=(1 2); A+=(3); ipvsadm ${A[@]}", ["ipvsadm 1 2 3"]),
        ("C='ipvsadm -A'; eval \"$C x\"", ["ipvsadm -A x"]),
        ("f() { shift; ipvsadm $@; }; f 1 2 3", ["ipvsadm 2 3"]),
        ("set -- a b; ipvsadm $2", ["ipvsadm b"]),
        ("( ipvsadm -A ); { ipvsadm -C; }", ["ipvsadm -A", "ipvsadm -C"]),
        ("ipvsadm -A | tee log", ["ipvsadm -A"]),
        ('V=1; sudo sh -c "ipvsadm -A $V"', ["ipvsadm -A 1"]),
        ("ssh lb1 ipvsadm -A", ["[1: ssh lb1 ipvsadm -A: what ssh runs is not followed: 1]"]),
        ("cat f | xargs -n1 ipvsadm -d", ["[1: xargs -n1 ipvsadm -d: what xargs runs is not followed: 1]"]),
    ],
)
def test_what_is_known_runs_and_the_rest_is_named(text: str, found: list[str]) -> None:
    """Conditions, loops, files and pipes: what only a run could tell stands with the count of what it holds."""
    assert ours(text) == found


def test_input_and_output_of_commands() -> None:
    """Texts that are fed, files that are written to, variables that nobody set."""
    text = (
        "V=1\necho 1 > /proc/sys/net/ipv4/ip_forward\necho 0 | sudo tee /proc/sys/x\nipvsadm-restore <<E\n-A $V\nE\n"
        "cat <<'E' | ipvsadm -R\n-A $V\nE\necho '-A x' | ipvsadm -R\nipvsadm -t $NO:80\n"
    )
    found = [one for one in commands("s.sh", text) if isinstance(one, Command)]
    assert [(one.words[0], one.document, one.into) for one in found] == [
        ("echo", "", "/proc/sys/net/ipv4/ip_forward"),
        ("echo", "", "/proc/sys/x"),
        ("ipvsadm-restore", "-A 1\n", ""),
        ("ipvsadm", "-A $V\n", ""),
        ("ipvsadm", "-A x\n", ""),
        ("ipvsadm", "", ""),
    ]
    assert found[-1].unset == ("NO",)


def test_a_loop_without_end() -> None:
    """One whose condition never changes is refused with its line."""
    with pytest.raises(ConfigError, match=r"s\.sh:2: a loop of at most 10000 turns expected"):
        ours("i=0\nwhile [ $i -lt 1 ]; do x=$i; done")


def test_functions_that_call_each_other_without_end() -> None:
    """Refused with the line."""
    with pytest.raises(ConfigError, match=r"s\.sh:1: functions that call each other at most 50 deep"):
        ours("f() { g; }; g() { f; }; f")


def known(text: str, *arguments: str) -> list[str]:
    """The balancer's commands of *text*, called with *arguments*."""
    steps = commands("s.sh", text, arguments)
    return [" ".join(one.words) for one in steps if isinstance(one, Command) and "ipvsadm" in one.words[0]]


OPTIONS = """while getopts "hcs:" arg; do
    case $arg in
    c) ipvsadm -L ;;
    s) if [ "x$OPTARG" == "xall" ]; then ipvsadm -A; else ipvsadm -C $OPTARG; fi ;;
    *) echo usage; exit 1 ;;
    esac
done
ipvsadm -Z $1
"""


@pytest.mark.parametrize(
    "arguments, found",
    [
        (["-s", "all"], ["ipvsadm -A", "ipvsadm -Z -s"]),
        (["-sall"], ["ipvsadm -A", "ipvsadm -Z -sall"]),
        (["-cs", "x"], ["ipvsadm -L", "ipvsadm -C x", "ipvsadm -Z -cs"]),
        (["-q"], []),
        ([], ["ipvsadm -Z"]),
        (["--", "-c"], ["ipvsadm -Z --"]),
    ],
)
def test_parameters_that_are_given(arguments: list[str], found: list[str]) -> None:
    """getopts reads them, one at a time and with their values; what is not given is empty."""
    assert known(OPTIONS, *arguments) == found
    assert known('case "$1" in stop) ipvsadm -C;; *) ipvsadm -A;; esac', "stop") == ["ipvsadm -C"]
