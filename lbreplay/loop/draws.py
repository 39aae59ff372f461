"""Chance, one stream a purpose: the same numbers whoever draws them (interface 2, `seed`).

They are those of `numpy.random.default_rng`, which would take 10 ms to load: a seed's words are mixed into a pool of
four (O'Neill's seed_seq, as numpy's SeedSequence has it), of which a PCG64 begins (XSL-RR, multiplier and increment of
128 bits: O'Neill, "PCG", 2014).
"""

from __future__ import annotations

from zlib import crc32

M32, M64, M128 = (1 << 32) - 1, (1 << 64) - 1, (1 << 128) - 1
POOL = 4  # words
INIT_A, MULT_A, INIT_B, MULT_B = 0x43B0D7E5, 0x931E8875, 0x8B51F9DD, 0x58F38DED  # of SeedSequence
MIX_LEFT, MIX_RIGHT = 0xCA01F9DD, 0x4973F715
MULTIPLIER = 0x2360ED051FC65DA44385DF649FCCF645  # of PCG64
TIMES_HIGH, TIMES_LOW = MULTIPLIER >> 64, MULTIPLIER & M64
UNIT = 2.0**-53  # of what a number has


class Draws:
    """Uniform numbers in [0, 1) from a seed and the purpose's name."""

    def __init__(self, seed: int, purpose: str) -> None:
        start, sequence = _begin([*_words(seed & M64), *_words(crc32(purpose.encode()))])
        more = (sequence << 1 | 1) & M128
        state = ((more + start) * MULTIPLIER + more) & M128
        self._high, self._low, self._more_high, self._more_low = state >> 64, state & M64, more >> 64, more & M64

    def one(self) -> float:
        """The next number."""
        self._step()
        word, turn = self._high ^ self._low, self._high >> 58
        word = (word >> turn | word << (-turn & 63)) & M64
        return (word >> 11) * UNIT

    def skip(self, count: int) -> None:
        """Pass over as many numbers as *count*."""
        for _ in range(count):
            self._step()

    def _step(self) -> None:
        """The state, of 128 bits, times the multiplier and more."""
        low = (self._low * TIMES_LOW + self._more_low) & M64
        high = self._upper(self._low) + self._low * TIMES_HIGH + self._high * TIMES_LOW + self._more_high
        self._high, self._low = (high + (low < self._more_low)) & M64, low

    def _upper(self, word: int) -> int:
        """The upper half of *word* times the lower half of the multiplier, by quarters."""
        low, high, times_low, times_high = word & M32, word >> 32, TIMES_LOW & M32, TIMES_LOW >> 32
        inner = high * times_low + (low * times_low >> 32)
        outer = low * times_high + (inner & M32)
        return high * times_high + (inner >> 32) + (outer >> 32)


def _words(number: int) -> list[int]:
    """A number in words of 32 bits, the last first; 0 is one, too."""
    return [number & M32, number >> 32] if number > M32 else [number]


class _Hash:
    """Mixes words, each with another constant: *times* the one before."""

    def __init__(self, constant: int, times: int) -> None:
        self._constant, self._times = constant, times

    def of(self, word: int) -> int:
        word ^= self._constant
        self._constant = self._constant * self._times & M32
        word = word * self._constant & M32
        return word ^ word >> 16


def _begin(entropy: list[int]) -> tuple[int, int]:
    """Two numbers of 128 bits: where a generator starts, and which sequence it is."""
    into, pool = _Hash(INIT_A, MULT_A), [*entropy, *[0] * POOL][:POOL]
    pool = [into.of(word) for word in pool]
    for source in range(POOL):
        for place in range(POOL):
            if place != source:
                pool[place] = _mixed(pool[place], into.of(pool[source]))
    out = _Hash(INIT_B, MULT_B)
    words = [out.of(pool[place % POOL]) for place in range(2 * POOL)]
    a, b, c, d = (words[place] | words[place + 1] << 32 for place in range(0, 2 * POOL, 2))
    return a << 64 | b, c << 64 | d


def _mixed(one: int, other: int) -> int:
    word = (MIX_LEFT * one - MIX_RIGHT * other) & M32
    return word ^ word >> 16
