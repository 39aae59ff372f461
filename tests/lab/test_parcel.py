"""Files as other machines know them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbreplay.errors import ConfigError
from lbreplay.lab import parcel as module
from lbreplay.lab.parcel import Parcel, Store, pieces, wrap


@pytest.fixture
def store() -> Iterator[Store]:
    """A store, closed behind the test."""
    made = Store()
    yield made
    made.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file in a folder, and an empty one."""
    (tmp_path / "case" / "expected").mkdir(parents=True)
    (tmp_path / "case" / "expected" / "out").write_bytes(os.urandom(100))
    (tmp_path / "case" / "empty").touch()
    return tmp_path / "case"


def send(store: Store, parcel: Parcel, path: Path) -> None:
    for piece in pieces(parcel, str(path)):
        store.take(parcel, piece)


def test_who_can_read_the_very_same_needs_nothing(store: Store, folder: Path) -> None:
    """By path; and no more when a byte, a size or a file is otherwise."""
    parcel = wrap(str(folder), ["expected/out", "empty"])
    assert store.find(parcel) == str(folder)
    data = (folder / "expected" / "out").read_bytes()
    for other in (bytes(100), b"short"):
        (folder / "expected" / "out").write_bytes(other)
        os.utime(folder / "expected" / "out", ns=(1, len(other)))
        assert store.find(parcel) is None
    (folder / "expected" / "out").write_bytes(data)
    assert store.find(parcel) == str(folder)
    (folder / "empty").unlink()
    assert store.find(parcel) is None


@pytest.mark.parametrize("chunk", [1, 33, 100, 4096])
def test_who_cannot_gets_them(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """In pieces of any size, each file as it is; with the store all of it goes."""
    monkeypatch.setattr(module, "CHUNK", chunk)
    parcel = wrap(str(folder), ["empty", "expected/out"])._replace(path="/no/where")
    assert store.find(parcel) is None
    send(store, parcel, folder)
    found = store.find(parcel)
    assert found is not None
    for name in ("empty", "expected/out"):
        assert Path(found, name).read_bytes() == (folder / name).read_bytes()
    store.close()
    assert not Path(found).exists()


def test_a_file_by_itself(store: Store, folder: Path) -> None:
    """Is a parcel too, and so is an empty one."""
    for name in ("expected/out", "empty"):
        parcel = wrap(str(folder / name))._replace(path=f"/no/where/{name}")
        send(store, parcel, folder / name)
        found = store.find(parcel)
        assert found is not None and Path(found).read_bytes() == (folder / name).read_bytes()


def test_what_was_broken_off_begins_anew(store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of it is nothing."""
    monkeypatch.setattr(module, "CHUNK", 10)
    parcel = wrap(str(folder), ["expected/out"])._replace(path="/no/where")
    for piece in list(pieces(parcel, str(folder)))[:3]:
        store.take(parcel, piece)
    assert store.find(parcel) is None
    send(store, parcel, folder)
    assert Path(store.find(parcel) or "", "expected/out").read_bytes() == (folder / "expected" / "out").read_bytes()


def test_what_changes_meanwhile_is_told(store: Store, folder: Path) -> None:
    """Nobody works with half of the old and half of the new."""
    parcel = wrap(str(folder), ["expected/out"])._replace(path="/no/where")
    (folder / "expected" / "out").write_bytes(b"new")
    with pytest.raises(ConfigError, match="/no/where/expected/out: it changed while it was sent"):
        send(store, parcel, folder)
    assert store.find(parcel) is None


def test_where_it_was_looked_once_it_is_not_read_again(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While size and time stay."""
    parcel = wrap(str(folder), ["expected/out"])
    store.find(parcel)
    monkeypatch.setattr(module, "_member", None)
    assert store.find(parcel) == str(folder)
