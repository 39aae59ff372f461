"""Completion as a shell asks for it."""

import pytest
from click.shell_completion import ShellComplete

from lbreplay.cli import completion, lbreplay, status


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
    assert [item.value for item in completion.drivers("mlx5,ix")] == ["mlx5,ixgbe"]


def test_verdicts() -> None:
    """Each with its sentence."""
    assert [item.value for item in completion.verdicts("no_dest")] == ["no_dest", "no_dest_unreachable"]
    assert completion.verdicts("no_dest")[0].help


@pytest.mark.parametrize(
    "command, option, word, found",
    [
        ("run", "--set", "conn.redir", "conn.redirect=true"),
        ("diff", "--set-b", "conn.redir", "conn.redirect=true"),
        ("sweep", "--strategy", "off,port-l", "off,port-low"),
        ("sweep", "--driver", "ixg", "ixgbe"),
        ("check", "--assert", "home,ch", "home,checksums"),
        ("explain", "--verdict", "no_dest_u", "no_dest_unreachable"),
        ("shrink", "--verdict", "no_dest_u", "no_dest_unreachable"),
        ("shrink", "--check", "checks", "checksums"),
        ("schema", "--of", "exp", "explain"),
    ],
)
def test_each_option_knows_its_values(command: str, option: str, word: str, found: str) -> None:
    """Asked as a shell does."""
    complete = ShellComplete(lbreplay, {}, "lbreplay", "_LBREPLAY_COMPLETE")
    assert found in [item.value for item in complete.get_completions([command, option], word)]


def test_a_shell_is_answered(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As bash asks: the words so far, and which is being typed."""
    for name, value in (("", "bash_complete"), ("WORDS", "lbreplay sweep a --strategy rss"), ("CWORD", "4")):
        monkeypatch.setenv(f"COMP_{name}" if name else "_LBREPLAY_COMPLETE", value)
    with pytest.raises(SystemExit):
        status([])
    assert capsys.readouterr().out == "plain,rss-port\n"
