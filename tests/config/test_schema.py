"""The configuration as data: complete, documented, and the same for people, programs and editors."""

import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from lbreplay import model
from lbreplay.config import schema
from lbreplay.config.kinds import Either, Key, Many, Table
from lbreplay.config.load import load

ROOT = Path(__file__).parents[2]
SAMPLES = sorted(
    {*ROOT.glob("samples/*.toml"), *ROOT.glob("samples/**/lb.toml"), *ROOT.glob("tests/golden/**/lb.toml")}
)


def keys(table: Table, path: str = "") -> dict[str, Key]:
    """Every key of *table* and below, by path."""
    found: dict[str, Key] = {}
    for name, key in table.keys.items():
        found[f"{path}{name}"] = key
        kinds: list[Any] = list(key.kind.kinds) if isinstance(key.kind, Either) else [key.kind]
        for kind in (k.kind if isinstance(k, Many) else k for k in kinds):
            if isinstance(kind, Table):
                found |= keys(kind, f"{path}{name}.")
    return found


def test_every_key_has_a_sentence() -> None:
    """No key is left without a word on what it does."""
    assert [path for path, key in keys(schema.SCHEMA).items() if not key.sentence] == []


@pytest.mark.parametrize(
    "table, cls",
    [
        (schema.CONN, model.ConnSettings),
        (schema.SA_POOL, model.SaPool),
        (schema.SYNPROXY, model.SynProxy),
        (schema.TCP, model.Tcp),
        (schema.UDP, model.Udp),
        (schema.DEVICE, model.Device),
        (schema.FLOW_DIRECTOR, model.FlowDirector),
        (schema.BEHAVIOUR, model.Behaviour),
        (schema.DEST_CHECK, model.DestCheck),
        (schema.ROUTE, model.Route),
        (schema.NEIGHBOR, model.Neighbor),
        (schema.VLAN, model.Vlan),
        (schema.MARK, model.Mark),
    ],
)
def test_model_and_schema_agree(table: Table, cls: Any) -> None:
    """Every field of the model can be configured, and every key has its field."""
    of_bonds = {"mode", "hash", "primary"} if cls is model.Device else set()  # model.Bond has them
    assert set(table.keys) - of_bonds == set(cls._fields) - {"bond"}


def test_json_schema_is_one() -> None:
    """What `lbreplay schema` prints is a JSON Schema."""
    jsonschema.Draft7Validator.check_schema(schema.json_schema())


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: str(path.relative_to(ROOT)))
def test_samples_are_valid(path: Path) -> None:
    """Every configuration in the tree passes the schema and is accepted by the program."""
    text = path.read_text()
    jsonschema.validate(tomllib.loads(text), schema.json_schema())
    load(str(path))


@pytest.mark.parametrize(
    "text",
    ["x = 1", "workers = 65", "[device]\nrss = 1", "[[service]]\nvip = 'x'", "[[service]]\nscheduler = 'best'"],
)
def test_schema_refuses_what_load_refuses(text: str) -> None:
    """An editor marks what the program would refuse."""
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tomllib.loads(text), schema.json_schema())
