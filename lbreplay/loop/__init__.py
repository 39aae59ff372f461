"""The loop and what it stands on: ordinary typed Python that Cython compiles (`build.py`), and that runs as it is.

A module with a `.pxd` beside it is compiled: the `.pxd` says which C type a name has, the `.py` is all there is to
read, and gives the same answers, some fifty times slower, where it is interpreted. All that is compiled stands in one
file: half a hundred of them take 10 ms to load.

What was compiled is taken only where it is whole: made from the present sources, for the Python that runs (`stamp`).
Else it is left aside, and `WHY` says in a line what to do about it. LBREPLAY_INTERPRETED=1 leaves it aside too.

build.py    sources -> the one file of compiled modules, by pip, make and a packager
loop.py     THE ordered loop: a connection for every ordinary row. Its chapters, each on the one before:
rows.py         columns, the tuple at hand, who is picked (both loops)
addressed.py    to whom: a service, a local address, a zone
hops.py         with what rows leave
unwanted.py     what lists drop, and packets for nobody here
answers.py      whose answers are, in a capture of clients
making.py       what a connection is made of, and gives back
templates.py    the real server that a client keeps
opening.py      first packets
behind.py       what a SYN proxy answers for
walk.py     where the records of a capture begin
lay.py      rows of a chunk -> a burst
parse.py    bytes -> columns
look.py     what an offload made of rows
steer.py    where cards put them
rewrite.py  what rows leave with -> bytes
runs.py     what leaves of a burst in place
verify.py   which rows' checksums are right
count.py    rows -> the tables of statistics
md5.py      the digests of cookies and of rings
cookie.py   the cookie of a SYN proxy
syn.py      what a SYN proxy remembers, and does to rows
asking.py   the SYN that it sends to a real server
octets.py   bytes of a buffer: read, written, summed, copied
pen.py      text, put together of pieces
lines.py    lines of the trace
notes.py    blocks of an annotated capture
table.py    whose a tuple is
ends.py     addresses and ports by number
slots.py    what every packet of a connection asks for
timers.py   when connections end
opener.py   what new connections are made of
passing.py   packets that the kernel lets go
turn.py     which real server is next
hashed.py   which one a hash names
real.py     who it is, and who is counted
ports.py    local ports and addresses
lists.py    who may talk to a service
memo.py     numbers that were found out, by two words
spans.py    who is found by ranges
draws.py    chance
ways.py     why a packet takes the plain path
clock.py    things with a time, of the kernel's balancer
server.py   who is counted there
entry.py    its connections, as records
kernel.py   its ordered loop
translate.py  what its rows leave as
outer.py    what stands before them in tunnels
jenkins.py  a hash of words
sync.py     what its backup would be told
flags.py    numbers of the kernel's connections
names.py    numbers that all of them know
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    ModuleSpec,
    SourceFileLoader,
)
from io import FileIO
from zlib import crc32

ROOM = os.path.dirname(__file__)
SUFFIX = EXTENSION_SUFFIXES[0]
LIBRARY = f"{ROOM}/_compiled{SUFFIX}"  # all compiled modules
STAMP = f"{ROOM}/compiled.txt"  # written behind it: kind of build, `stamp`
INLINED = "octets"  # compiled into those that use it
SHARED = "_shared"  # a module that Cython makes: what all others have of memoryviews, compiled and begun once
GAIN = "compiled it runs some ten times as fast"
BUILD = "python -m lbreplay.loop.build"


def modules() -> list[str]:
    """The modules that are compiled, without the one that Cython makes."""
    return sorted(name[:-4] for name in os.listdir(ROOM) if name.endswith(".pxd") and name != f"{INLINED}.pxd")


def stamp() -> str:
    """What compiled modules are made of: the sources, and the Python that they fit."""
    types = [f"{name}.pxd" for name in (*modules(), INLINED)]
    text = b"\0".join(_text(name) for name in (*types, *(f"{name}.py" for name in modules())))
    return f"{crc32(text):08x}{len(text):x} {SUFFIX}\n"


def _text(name: str) -> bytes:
    """A source; half a hundred are read at each start."""
    with FileIO(f"{ROOM}/{name}") as file:
        return file.readall()


def _stamped() -> str:
    """What the compiled modules say of themselves; "" where there are none."""
    try:
        return _text("compiled.txt").decode()
    except FileNotFoundError:
        return ""


def _why_not() -> str:
    """Why what was compiled is left aside, or that nothing was; "": it is taken."""
    if os.environ.get("LBREPLAY_INTERPRETED"):
        return "the loop is interpreted, as LBREPLAY_INTERPRETED asks"
    if not (stamped := _stamped()):
        return f"the loop is not compiled; {GAIN}: install a C compiler and say {BUILD}"
    if stamped.startswith("sanitize ") and "asan" not in os.environ.get("LD_PRELOAD", ""):
        return f"the compiled loop is built for sanitizers, and left aside; {GAIN}: {BUILD}"
    if not stamped.endswith(stamp()) or not os.path.exists(LIBRARY):
        return f"the compiled loop is not of these sources or not for this Python, and left aside; {GAIN}: {BUILD}"
    return ""


class _Finder(FileFinder):
    """Finds the modules of this room: *compiled* ones in the one file, the others as their sources."""

    def __init__(self, compiled: list[str]) -> None:
        super().__init__(ROOM, (SourceFileLoader, SOURCE_SUFFIXES))
        self.compiled = {f"{__name__}.{name}" for name in compiled}

    def find_spec(self, fullname: str, target: object = None) -> ModuleSpec | None:
        if fullname not in self.compiled:
            return super().find_spec(fullname)
        found = ModuleSpec(fullname, ExtensionFileLoader(fullname, LIBRARY), origin=LIBRARY)
        found.has_location = True  # a module's __file__
        return found


def _find(compiled: list[str]) -> None:
    """Let the modules of this room be found, these compiled."""
    sys.path_importer_cache[ROOM] = _Finder(compiled)


def _loaded() -> str:
    """`_why_not`, also where the compiled modules cannot be loaded."""
    why = _why_not()
    if not why:
        _find([*modules(), SHARED])
        try:
            import_module(f"{__name__}.{SHARED}")
        except ImportError as error:
            why = f"the compiled loop cannot be loaded ({error}), and is left aside; {GAIN}: {BUILD}"
    if why:
        _find([])
    return why


WHY = _loaded()
COMPILED = not WHY
