"""The house's order, read from its source: who imports whom, how long a file may be, which words are not used."""

from __future__ import annotations

import ast
import graphlib
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[1]
SOURCES = sorted([HOUSE / "cli.py", *(HOUSE / "commons").rglob("*.py"), *(HOUSE / "licences").rglob("*.py")])
PROSE = sorted([*HOUSE.glob("*.md"), *(HOUSE / "docs").rglob("*.md")])
LINES = 600  # a file is as long as its noun; one that grows past this is asked whether it is two

FLOORS = (  # top first: a room may import what lies on lower floors, and nothing of its own floor but itself
    ("commons.cli",),
    ("commons.session",),
    ("commons.node",),
    ("commons.datasets",),
    ("commons.access",),
    ("commons.custody",),
    ("commons.witness", "commons.community"),
    ("commons.log", "commons.metadata"),
    ("commons.net", "commons.disk"),
    ("commons.core.state",),
    ("commons.core.tlog", "commons.core.dataset"),
    ("commons.core.crypto",),
    ("commons.rounds",),
    ("commons.errors", "commons.progress", "commons.version", "licences", "commons.examples"),
)
ROOMS = {room: number for number, floor in enumerate(FLOORS) for room in floor}
LICENSED = {"commons.cli", "commons.datasets", "commons.metadata"}  # who asks `licences`
PURE = ["commons/core/**/*.py", *(f"commons/{each}.py" for each in (
    "access/release", "custody/handover", "custody/misconduct", "custody/shares", "custody/sharing", "access/listing",
    "log/answer",
))]  # fmt: skip
OUTSIDE = {  # the world outside, which no pure noun knows
    "os", "io", "socket", "ssl", "select", "asyncio", "time", "random", "secrets", "sqlite3", "pathlib", "logging",
    "tempfile", "shutil", "subprocess", "signal", "aiohttp", "click", "rich", "platformdirs", "libp2p", "trio",
    "urllib.request", "http",
}  # fmt: skip
GUESTS = {  # a foreign package to the only files that import it
    "libp2p": {"net/host.py", "net/joints.py"},
    "trio": {"net/host.py", "net/joints.py", "net/swarm.py"},
    "multiaddr": {"net/host.py", "net/addresses.py"},
    "sqlite3": {"disk/sql.py", "disk/openings.py"},
    "rich": {"cli/show.py"},
    "platformdirs": {"cli/terminal.py"},
    "yaml": {"metadata/texts.py"},
    "Crypto": {"custody/shares.py"},
    "psutil": {"net/interfaces.py"},
}
NAMELESS = {"util", "utils", "helper", "helpers", "manager", "managers", "base", "misc", "common", "tools"}


def name(path: Path) -> str:
    return str(path.relative_to(HOUSE))


def dotted(path: Path) -> str:
    """The name by which a file is imported."""
    return ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a file's syntax, from the top."""
    return tuple(ast.walk(parsed(path)))


def room(module: str) -> str | None:
    """The room of a dotted module of ours; None for anybody else's."""
    return next((each for each in ROOMS if module == each or module.startswith(f"{each}.")), None)


def here(path: Path) -> str | None:
    return room(dotted(path))


def pure() -> list[Path]:
    return sorted(path for pattern in PURE for path in HOUSE.glob(pattern))


@cache
def imports(path: Path) -> list[tuple[int, str]]:
    """(line, dotted name) of everything imported when it runs, in functions too; for types alone does not count."""
    found = list[tuple[int, str]]()
    typing = {
        id(inner)
        for node in nodes(path)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in nodes(path):
        if id(node) in typing:
            continue
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = node.module or ""
            found += [(node.lineno, module), *((node.lineno, f"{module}.{alias.name}") for alias in node.names)]
    return found


def test_there_is_a_house_to_read() -> None:
    assert min(len(SOURCES), len(pure())) > 30
    assert {here(path) for path in SOURCES} >= set(ROOMS) - {"commons.version", "commons.examples"}


def test_every_arrow_goes_down() -> None:
    forbidden = [
        f"{name(path)}:{line} imports {module}"
        for path in SOURCES
        if (ours := here(path)) is not None
        for line, module in imports(path)
        if (theirs := room(module)) not in (None, ours)
        and (ROOMS[theirs or ""] <= ROOMS[ours] or (theirs == "licences" and ours not in LICENSED))
    ]
    assert forbidden == []


GROWS = {  # where a log's tree is grown or compared: nobody reads a log beside its replica
    "core/tlog/", "disk/log.py", "disk/damage.py", "disk/history.py", "log/replica.py", "log/answer.py",
    "witness/gossip.py",
}  # fmt: skip


def test_a_log_is_read_by_its_replica_alone() -> None:
    found = {
        str(path.relative_to(HOUSE / "commons"))
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Attribute | ast.Name | ast.alias)
        and getattr(node, "attr", getattr(node, "id", getattr(node, "name", None)))
        in ("grow", "edge_root", "read_edge", "check_consistency")
        and path.is_relative_to(HOUSE / "commons")
    }
    assert [each for each in sorted(found) if not each.startswith(tuple(GROWS))] == []


def test_every_module_has_an_importer_in_the_house() -> None:
    asked = {module for path in SOURCES for _, module in imports(path)}
    modules = {dotted(path) for path in SOURCES if path.stem[:2] != "__"}
    assert modules - asked == {"cli"}


def test_no_circle_of_files() -> None:
    """Imports within functions count, and those for types alone."""
    files = {dotted(path): path for path in SOURCES}
    asked = {
        ours: {
            theirs if theirs in files else node.module or ""
            for node in nodes(path)
            if isinstance(node, ast.ImportFrom)
            for theirs in (f"{node.module}.{alias.name}" for alias in node.names)
        }
        | {alias.name for node in nodes(path) if isinstance(node, ast.Import) for alias in node.names}
        for ours, path in files.items()
    }
    floors = [*graphlib.TopologicalSorter(asked).static_order()]  # CycleError names the circle
    assert floors.index("licences.files") < floors.index("licences") < floors.index("commons.cli.licence")


def test_no_class_inherits_one_of_ours() -> None:
    """But protocols and exceptions: what a class has is a value in it, and what is long is split by noun."""
    classes = [(path, node) for path in SOURCES for node in nodes(path) if isinstance(node, ast.ClassDef)]
    ours = {node.name: {ast.unparse(base).split("[")[0] for base in node.bases} for _, node in classes}

    def free(named: str) -> bool:
        """A protocol, an exception, or somebody else's."""
        return named not in ours or "Protocol" in ours[named] or raised(named)

    def raised(named: str) -> bool:
        return named.endswith("Exception") or any(map(raised, ours.get(named, ())))

    heirs = {f"{name(path)} {node.name}" for path, node in classes if not all(map(free, ours[node.name]))}
    assert heirs == set()


def test_what_is_pure_knows_no_clock_disk_socket_or_chance() -> None:
    found = [
        f"{name(path)}:{line} imports {module}"
        for path in pure()
        for line, module in imports(path)
        if module in OUTSIDE or module.split(".")[0] in OUTSIDE
    ]
    assert found == []


def test_what_is_pure_has_no_coroutine() -> None:
    for path in pure():
        assert not any(isinstance(node, ast.AsyncFunctionDef) for node in nodes(path)), path


@pytest.mark.parametrize("guest", GUESTS)
def test_a_guest_stays_in_its_room(guest: str) -> None:
    hosts = {
        str(path.relative_to(HOUSE / "commons"))
        for path in (HOUSE / "commons").rglob("*.py")
        if any(module.split(".")[0] == guest for _, module in imports(path))
    }
    assert hosts == GUESTS[guest]


def test_what_a_command_imports_late_is_stopped_at_once() -> None:
    """A KeyboardInterrupt in an import ends in somebody's trace: see `commons.cli.stop`."""
    late = []
    for path in SOURCES:
        if here(path) != "commons.cli" or path.stem == "__main__":  # where it begins
            continue
        tree = parsed(path)
        safe = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.With) and ast.unparse(node.items[0]) == "stop.AtOnce()"
            for inner in ast.walk(node)
        }
        late += [
            f"{name(path)}:{inner.lineno}"
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Import | ast.ImportFrom) and id(inner) not in safe
        ]
    assert late == []


def test_no_file_outgrows_its_noun() -> None:
    long = {name(path): lines for path in SOURCES if (lines := len(path.read_text().splitlines())) > LINES}
    assert long == {}


def test_no_class_name_twice() -> None:
    """Private classes count, and those within others: who reads a name anywhere knows which it is."""
    places: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in nodes(path):
            if isinstance(node, ast.ClassDef):
                places.setdefault(node.name, []).append(f"{name(path)}:{node.lineno}")
    assert {each: where for each, where in places.items() if len(where) > 1} == {}


def test_a_module_of_ours_goes_by_its_own_name() -> None:
    """Where a verb has the name of a module, and no word of it is `commons`, the module goes by its whole name."""
    aliases = [
        f"{name(path)}: {each.name} as {each.asname}"
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and room(node.module or ""))
        for each in node.names
        if each.asname and (isinstance(node, ast.ImportFrom) or room(each.name))
    ]
    assert aliases == ["commons/node/verbs/log.py: audit as auditing"]  # the verb `audit` takes an id, `commons`


def test_every_module_says_what_it_is() -> None:
    silent = [name(path) for path in SOURCES if path.read_text() and not ast.get_docstring(parsed(path))]
    assert silent == []


def test_modules_are_nouns_or_verbs_of_one_word() -> None:
    for path in SOURCES:
        assert path.stem not in NAMELESS, path
        assert path.stem in ("__init__", "__main__") or re.fullmatch(r"[a-z0-9]+", path.stem), path


@cache
def words() -> list[tuple[str, str]]:
    """(where, text): every document whole, and of the code its comments and strings."""
    found = [(name(path), path.read_text()) for path in PROSE]
    for path in SOURCES:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                found.append((f"{name(path)}:{token.start[0]}", token.string))
    return found


def test_nothing_is_promised_that_no_log_can_keep() -> None:
    promised = re.compile(
        r"tamper.?proof|prevents? re-?sharing|revok\w* deletes|unhackable|military.grade", re.IGNORECASE
    )
    assert [(where, found[0]) for where, text in words() if (found := promised.search(text))] == []


def test_the_noun_is_spelt_licence() -> None:
    """`License` stays where it is somebody's name, an API, a flag or a URL: in backticks, quotes, paths, capitals."""
    aside = re.compile(
        r"```.*?```|`[^`]*`|https?://\S+|--license\b|\S*[/._]licenses?\S*|licenses?[=:/._(]\S*", re.DOTALL
    )
    american = re.compile(r"\b(?<!to )(?<!cannot )(?<!may )licenses?\b")
    found = []
    for where, text in words():
        prose = text if where.endswith(".md") else text.strip("\"'")
        if (hit := american.search(aside.sub(" ", prose))) and (where.endswith(".md") or " " in prose):
            found.append((where, prose[max(0, hit.start() - 30) : hit.end() + 10]))
    assert found == []
