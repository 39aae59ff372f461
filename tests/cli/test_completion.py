"""Completion as a shell asks for it."""

import pytest

from lbreplay.cli import completion, status


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It begins with where it goes, and asks lbreplay."""
    assert status(["completion", shell]) == 0
    head, *script = capsys.readouterr().out.splitlines()
    assert head == f"# {completion.HOW[shell]}"
    assert any(f"_LBREPLAY_COMPLETE={shell}_complete" in line for line in script)


def test_settings() -> None:
    """Keys, and values where there are few."""
    assert [item.value for item in completion.keys("flow_director.byte_order=")] == [
        "flow_director.byte_order=network",
        "flow_director.byte_order=host",
    ]
    assert "seed=" in [item.value for item in completion.keys("se")]
    assert "conn.redirect=true" in [item.value for item in completion.keys("conn.")]


def test_names_behind_a_comma() -> None:
    """Properties and strategies are lists."""
    assert "home,checksums" in [item.value for item in completion.properties("home,ch")]
    assert [item.value for item in completion.strategies("off,port-l")] == ["off,port-low"]


def test_a_shell_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As bash asks: the words so far, and which is being typed."""
    for name, value in (("", "bash_complete"), ("WORDS", "lbreplay sweep a --strategy rss"), ("CWORD", "4")):
        monkeypatch.setenv(f"COMP_{name}" if name else "_LBREPLAY_COMPLETE", value)
    with pytest.raises(SystemExit):
        status([])
    assert capsys.readouterr().out == "plain,rss-port\n"
