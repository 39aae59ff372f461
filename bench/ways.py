"""Which frames of each load the loop leaves to the plain path, and why (loop/ways.py)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench.measure import CONFIG, DESK, ROOT, capture
from bench.speed import ASKED, KINDS, words
from lbreplay.config.load import load
from lbreplay.journey import replay
from lbreplay.model import Setup

FULL, QUICK = 200_000, 20_000


def given(settings: Sequence[str]) -> Setup:
    """What a kind of `speed.KINDS` is replayed under."""
    view = next((word.removeprefix("--view=") for word in settings if word.startswith("--view=")), "client")
    config = next((str(ROOT / word) for word in settings if word.endswith(".toml")), CONFIG)
    return load(config, [word for word in settings if words(word)[0] == "--set"], view=view)


def shares(quick: bool) -> Iterator[tuple[str, float, list[str]]]:
    """Name of each load, the share of its frames that take the plain path, and the reasons, most frequent first."""
    frames = QUICK if quick else FULL
    for name, (profile, settings, _) in {**{profile: (profile, (), 0.0) for profile in ASKED}, **KINDS}.items():
        result = replay(given(settings), capture(profile, frames), str(DESK / "out.pcap"))
        reasons = sorted(result.plain.items(), key=lambda reason: -reason[1])
        yield name, sum(result.plain.values()) / frames, [f"{reason} {count:,}" for reason, count in reasons]
