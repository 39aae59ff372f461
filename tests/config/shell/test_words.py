"""Text becomes words, operators, comments and here-documents."""

import pytest

from lbreplay.config.shell.words import items
from lbreplay.errors import ConfigError


def words(text: str) -> list[str]:
    """The words as they stand, quoted parts in angle brackets; operators alone."""
    found = []
    for item in items("s", text):
        if item.word is None:
            found.append(item.operator)
            continue
        parts = (f"<{part.text}>" if part.quoted else part.text for part in item.word.parts)
        array = None if item.word.array is None else [word.raw for word in item.word.array]
        found.append("".join(parts) + ("" if array is None else str(array)))
    return [word for word in found if word != "\n"]


@pytest.mark.parametrize(
    "text, found",
    [
        ("a 'b c' \"d e\"f", ["a", "<b c>", "<d e>f"]),
        (r"a\ b \$c", ["a< >b", "<\0>c"]),
        ("a '$b' \"\\$c $d\"", ["a", "<\0b>", "<\0c $d>"]),
        ("a $(b 'c )' \"d\") e", ["a", "$(b 'c )' \"d\")", "e"]),
        ('a "$(b "c d")" e', ["a", '<$(b "c d")>', "e"]),
        ("a ${b:-${c}} `d e`", ["a", "${b:-${c}}", "`d e`"]),
        ("a $((1 + (2))) ((i++))", ["a", "$((1 + (2)))", "((i++"]),
        ("R=(a 'b c'\n d # x\n)", ["R=['a', 'b c', 'd']"]),
        ("R+=(a)", ["R+=['a']"]),
        ("a && b || c; d & e | f", ["a", "&&", "b", "||", "c", ";", "d", "&", "e", "|", "f"]),
        ("a > b 2>&1 >> c < d <<< e &> f", ["a", ">", "b", "2>&1", ">>", "c", "<", "d", "<<<", "e", "&>", "f"]),
        ("a # b", ["a", "# b"]),
        ("a#b", ["a#b"]),
        ("a \\\n b", ["a", "b"]),
        ("a\\\nb", ["ab"]),
        ("case x) y;; esac", ["case", "x", ")", "y", ";;", "esac"]),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    """Quotes, escapes, substitutions, lists, operators."""
    assert words(text) == found


def test_here_documents() -> None:
    """Behind their line, expanded unless their end is quoted, indented ends too; several behind one line."""
    found = [item for item in items("s", "a <<X <<'Y'\n$b \\$c\nX\n$d\n\tY\ne\n") if item.operator == "<<"]
    assert [item.document.text for item in found if item.document] == ["$b \0c\n", "\0d\n"]
    after = items("s", "a <<X\n1\nX\ne\n")
    assert [(item.line, item.plain) for item in after if item.word] == [(1, "a"), (4, "e")]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a 'b", "s:1: column 3: the quote is not closed"),
        ('\na "b', "s:2: column 3: the quote is not closed"),
        ("R=(a b", "s:1: column 3: the list is not closed by )"),
        ("a $(b", "s:1: column 3: $( is not closed by )"),
        ("a ${b", "s:1: column 3: ${ is not closed by }"),
        ("a <<X\nb\n", "s:1: the here-document is not closed by X"),
    ],
)
def test_refused(text: str, message: str) -> None:
    """What is not closed, with line and column."""
    with pytest.raises(ConfigError) as refused:
        items("s", text)
    assert str(refused.value) == message
