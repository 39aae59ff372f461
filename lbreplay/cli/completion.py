"""`lbreplay completion`: what makes a shell complete commands, options and values; and the values that only we know."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

HOW = {
    "bash": 'eval "$(lbreplay completion bash)" in ~/.bashrc',
    "zsh": 'eval "$(lbreplay completion zsh)" in ~/.zshrc, behind compinit',
    "fish": "lbreplay completion fish > ~/.config/fish/completions/lbreplay.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(list(HOW)))
def completion(shell: str) -> None:
    """Print the completion of SHELL.

    bash: eval "$(lbreplay completion bash)" in ~/.bashrc. zsh: eval "$(lbreplay completion zsh)" in ~/.zshrc, behind
    compinit. fish: lbreplay completion fish > ~/.config/fish/completions/lbreplay.fish.
    """
    from click.shell_completion import get_completion_class

    from lbreplay.cli import lbreplay

    made = get_completion_class(shell)
    assert made is not None, "click knows these shells"
    source = made.source_template % made(lbreplay, {}, "lbreplay", "_LBREPLAY_COMPLETE").source_vars()
    click.echo(f"# {HOW[shell]}\n{source}")


def keys(incomplete: str) -> list[CompletionItem]:
    """Settings of --set: `KEY=`, and `KEY=VALUE` where the schema knows all values."""
    from lbreplay.config.keypath import settings

    return [CompletionItem(text, help=sentence) for text, sentence in settings() if text.startswith(incomplete)]


def properties(incomplete: str) -> list[CompletionItem]:
    """Names of --assert, behind a comma too."""
    from lbreplay.lab.check import PROPERTIES

    return _listed(incomplete, {name: known.sentence.format(limit=2) for name, known in PROPERTIES.items()})


def strategies(incomplete: str) -> list[CompletionItem]:
    """Names of --strategy, behind a comma too."""
    from lbreplay.nic.strategies import STRATEGIES

    return _listed(incomplete, dict.fromkeys((*STRATEGIES, "redirect"), ""))


def drivers(incomplete: str) -> list[CompletionItem]:
    """Names of --driver, behind a comma too."""
    from lbreplay.nic.profiles import PROFILES

    return _listed(incomplete, dict.fromkeys(PROFILES, ""))


def verdicts(incomplete: str) -> list[CompletionItem]:
    """Names of --verdict."""
    from lbreplay.verdict import Verdict

    return _listed(incomplete, {verdict.name.lower(): verdict.sentence for verdict in Verdict})


def _listed(incomplete: str, known: dict[str, str]) -> list[CompletionItem]:
    """Each of *known* that goes on behind the last comma."""
    before, comma, begun = incomplete.rpartition(",")
    return [
        CompletionItem(f"{before}{comma}{name}", help=sentence)
        for name, sentence in known.items()
        if name.startswith(begun)
    ]
