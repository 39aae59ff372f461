"""Direct routing and tunnel: the packet reaches the real server unchanged; answers do not pass here (D 2.2, D 12.1)."""

from __future__ import annotations

from lbreplay.dpvs.forwarding.nat import bind, release

__all__ = ["bind", "release"]
