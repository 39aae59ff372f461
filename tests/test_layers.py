"""The shape of the house: imports point down, an outside package has one door, tests mirror the package."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "lbreplay"
MODULES = sorted(PACKAGE.rglob("*.py"))

FLOOR = {"model", "burst", "memory", "arrays", "verdict", "errors", "phrases", "edge"}
# room -> the rooms it may import, beside itself and the floor
BELOW = {
    "cli": {"stats", "lab", "config", "report", "journey", "dpvs", "lvs", "nic", "loop", "wire"},
    "api": {"stats", "lab", "config", "journey", "trace", "wire"},
    "pytest_plugin": {"cli", "lab", "report"},
    "lab": {
        "stats",
        "config",
        "report",
        "journey",
        "annotate",
        "ipvs",
        "stack",
        "dpvs",
        "lvs",
        "nic",
        "loop",
        "wire",
        "trace",
    },
    "report": {"stats"},
    "stats": {"loop"},
    "config": {"loop", "wire"},
    "journey": {"stats", "also", "annotate", "trace", "ipvs", "stack", "dpvs", "nic", "loop", "wire"},
    "ipvs": {"stack", "lvs", "loop", "wire"},
    "also": set(),
    "annotate": {"dpvs", "nic", "loop", "wire"},
    "trace": {"dpvs", "nic", "loop"},
    "dpvs": {"stack", "lvs", "loop", "wire"},
    "lvs": {"loop", "wire"},
    "stack": {"wire"},
    "nic": {"loop", "wire"},
    "loop": set(),
    "wire": {"loop"},
    "floor": set(),
}
# outside package -> where it may be imported (a path or the beginning of one)
DOORS = {
    "click": ("cli/",),
    "rich": ("report/", "cli/"),
    "dpkt": ("wire/capture/", "wire/craft.py"),
    "scapy": ("lab/explain.py",),
    "Cython": ("loop/build.py",),
    "setuptools": ("loop/build.py",),
}


def room(module: Path) -> str:
    """The first folder or file below the package; the floor's files are one room."""
    parts = module.relative_to(PACKAGE).parts
    name = parts[0].removesuffix(".py")
    return "floor" if name in FLOOR else name


@cache
def imports(module: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything a module imports, inside functions too; not what only a type checker reads."""
    found = []
    tree = ast.parse(module.read_text())
    unread = {inner for node in ast.walk(tree) if _for_types(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in unread:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module}:{node.lineno}: a relative import"
            base = node.module or ""
            names = [f"{base}.{alias.name}" for alias in node.names] if base == "lbreplay" else [base]
            found += [(node.lineno, name) for name in names]
    return found


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def upward(module: Path) -> list[str]:
    """Imports of *module* that do not point down."""
    own = room(module)
    wrong = []
    for line, name in imports(module):
        parts = name.split(".")
        if parts[0] != "lbreplay" or len(parts) == 1 or parts[1].startswith("__"):
            continue
        target = "floor" if parts[1] in FLOOR else parts[1]
        if target not in {own, "floor"} | BELOW[own]:
            wrong.append(f"{module.relative_to(ROOT)}:{line}: {own} imports {name}")
    return wrong


def test_imports_point_down() -> None:
    """A room knows the rooms below it and the floor, never its neighbours."""
    assert [w for m in MODULES if room(m) not in ("__init__", "__main__") for w in upward(m)] == []


@cache
def known() -> dict[str, Path]:
    """The package's modules by dotted name."""
    names = {m: ".".join(m.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for m in MODULES}
    return {name: module for module, name in names.items()}


def neighbours(module: Path) -> set[str]:
    """The modules of the package that *module* imports, also what only a type checker reads."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom):
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & set(known())) or ({node.module or ""} & set(known()))
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & set(known())
    return found


def circles(arrows: dict[str, set[str]]) -> list[str]:
    """The modules that are left when those are taken out, again and again, that import none of the rest."""
    left = {name: targets - {name} for name, targets in arrows.items()}
    while leaves := {name for name, targets in left.items() if not targets & set(left)}:
        left = {name: targets for name, targets in left.items() if name not in leaves}
    return [f"{name} -> {', '.join(sorted(targets & set(left)))}" for name, targets in sorted(left.items())]


def test_no_circle_of_imports() -> None:
    """Whoever reads one file reads below it, never in a ring; what stands behind TYPE_CHECKING counts.

    But for the package's door, which only names the library (`api`) and holds the version that many read.
    """
    assert circles({name: neighbours(module) for name, module in known().items() if name != "lbreplay"}) == []


def test_a_circle_would_be_seen() -> None:
    """Of three in a ring and one that looks on, all four are named; without the ring, none."""
    assert len(circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": set()})) == 4
    assert circles({"a": {"b"}, "b": {"c"}, "c": set()}) == []


def test_every_room_is_known() -> None:
    """A new folder at the top must say whom it may import."""
    assert {room(m) for m in MODULES} - {"__init__", "__main__"} <= set(BELOW)


@pytest.mark.parametrize("package", DOORS)
def test_an_outside_package_has_one_door(package: str) -> None:
    """Whoever wants to replace a package finds all of it behind its door."""
    found = {m.relative_to(PACKAGE).as_posix() for m in MODULES for _, n in imports(m) if n.split(".")[0] == package}
    assert [m for m in found if not m.startswith(DOORS[package])] == []


def test_no_other_outside_package() -> None:
    """Only the packages that pyproject.toml names, and the standard library."""
    import sys

    known = set(sys.stdlib_module_names) | set(DOORS) | {"lbreplay", "numpy"}
    optional = {"zstandard", "lz4", "dask", "distributed", "matplotlib", "pandas", "pytest"}
    names = {n.split(".")[0] for m in MODULES for _, n in imports(m)}
    assert names - known - optional == set()


def test_tests_mirror_the_package() -> None:
    """lbreplay/a/b.py has tests/a/test_b.py; the floor's tables are tested where they are used."""
    bare = {"__init__.py", "__main__.py", "errors.py", "py.typed"}
    missing = []
    for module in MODULES:
        path = module.relative_to(PACKAGE)
        mirror = ROOT / "tests" / path.parent / f"test_{path.name}"
        if path.name not in bare and not mirror.exists():
            missing.append(mirror.relative_to(ROOT).as_posix())
    assert missing == []


@pytest.mark.parametrize("folder", [PACKAGE, PACKAGE / "dpvs"])
def test_the_map_names_every_place(folder: Path) -> None:
    """A newcomer finds each file and folder in the docstring above it."""
    there = {
        p.name if p.suffix else f"{p.name}/"
        for p in folder.iterdir()
        if p.suffix == ".py" or (p / "__init__.py").exists()
    }
    told = ast.get_docstring(ast.parse((folder / "__init__.py").read_text())) or ""
    assert [name for name in sorted(there) if not name.startswith("__") and name not in told] == []


def test_a_module_opens_with_its_head_comment() -> None:
    """The rule and the reason stand at the top of every file."""
    assert [m for m in MODULES if not ast.get_docstring(ast.parse(m.read_text())) and m.stat().st_size] == []


# who writes beside edge/ -> why
WRITERS = {
    "cli/streams.py": "a closed standard stream is /dev/null",
    "lab/pool.py": "a process answers its parent through a pipe",
    "loop/build.py": "a compiler's stamp beside what it compiled, in the package",
}
WRITING = {"write_text", "write_bytes", "touch", "tofile", "savetxt", "copyfile", "copy", "copy2", "copytree", "move"}
MODULES_THAT_WRITE = {"shutil", "np", "numpy", "os"}


def _writes(node: ast.AST) -> bool:
    """Whether a call opens a file for writing, by open, Path, os, shutil or numpy."""
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    of = getattr(node.func.value, "id", "a path") if isinstance(node.func, ast.Attribute) else ""
    if name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile", "mkstemp"):
        flags = {inner.attr for inner in ast.walk(node) if isinstance(inner, ast.Attribute)}
        of_path = isinstance(node.func, ast.Attribute) and of not in {"os", "gzip", "lzma", "io", "codecs"}
        given = [*node.args[not of_path :], *(keyword.value for keyword in node.keywords)]
        modes = [arg.value for arg in given if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        writing = any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)
        return writing or name not in ("open", "fdopen") or bool(flags & {"O_WRONLY", "O_RDWR", "O_CREAT"})
    if name in ("write_text", "write_bytes"):
        return of not in ("", "output")
    return name in WRITING and of in MODULES_THAT_WRITE


def test_one_writer() -> None:
    """No module outside edge/ opens a file for writing, but those that have a reason."""
    found = {
        str(module.relative_to(PACKAGE))
        for module in MODULES
        if room(module) != "floor" or module.parent.name != "edge"
        if any(map(_writes, ast.walk(ast.parse(module.read_text()))))
    }
    assert found == set(WRITERS)


@pytest.mark.parametrize(
    "code",
    [
        "open('a', 'w')", "open('a', mode='ab')", "path.open('x')", "path.write_text('a')", "path.write_bytes(b'a')",
        "os.open('a', os.O_WRONLY)", "os.fdopen(3, 'wb')", "shutil.copy('a', 'b')", "np.savetxt('a', b)",
        "os.open('a', os.O_RDWR | os.O_CREAT)", "tempfile.NamedTemporaryFile()", "gzip.open('a', 'wt')",
    ],
)  # fmt: skip
def test_a_writer_would_be_seen(code: str) -> None:
    """Whichever way it opens a file."""
    assert any(map(_writes, ast.walk(ast.parse(code))))


@pytest.mark.parametrize(
    "code", ["open('wax')", "path.open()", "open('a', 'rb')", "write_text(a, b)", "output.write(b)"]
)
def test_a_reader_is_none(code: str) -> None:
    """Nor is who asks the one writer."""
    assert not any(map(_writes, ast.walk(ast.parse(code))))
