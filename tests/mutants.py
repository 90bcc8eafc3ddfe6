"""Guards that no test misses: `python -m tests.mutants FILE …` drops each `raise`, moves each bound and negates each
condition of these files, one at a time, and runs the tests that reach the line until one fails.

The tests are those that stand beside the file (`BESIDE`). A mutant that none of them kills is printed, and one that
hung, too: it counts as killed, unless the machine was busy. One that changes nothing stands with its reason in
`equivalent.txt`. Mutants live in a forked process each, which gets another code object for one function: no file is
written.
"""

from __future__ import annotations
import __future__

import argparse
import ast
import gc
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import coverage
import pytest
from _pytest.runner import runtestprotocol
from hypothesis import Phase, settings

from tests.rows import COUNTED_ON

HOUSE = Path(__file__).parents[1]
REASONS = Path(__file__).with_name("equivalent.txt")
BESIDE = {  # where the tests of what is changed are looked for
    "commons/core/**/*.py": ["tests/core"],
    "commons/access/release.py": ["tests/access/test_release.py", "tests/core"],
    "commons/access/listing.py": ["tests/access/test_listing.py"],
    "commons/custody/handover.py": ["tests/custody/test_sharing.py", "tests/core"],
    "commons/custody/misconduct.py": ["tests/custody/test_misconduct.py"],
    "commons/custody/shares.py": ["tests/custody/test_shares.py", "tests/custody/test_sharing.py", "tests/core"],
    "commons/custody/sharing.py": ["tests/custody/test_sharing.py", "tests/core"],
    "commons/log/answer.py": ["tests/log/test_answer.py", "tests/core"],
    "commons/access/registrar.py": ["tests/access/test_answering.py"],
    "commons/access/retention.py": ["tests/access/test_answering.py"],
    "commons/access/request.py": ["tests/access/test_request.py"],
    "commons/access/complain.py": ["tests/access/test_request.py"],
    "commons/community/transfer.py": ["tests/community/test_takeover.py"],
    "commons/community/voting.py": ["tests/access/test_answering.py"],
    "commons/custody/client.py": ["tests/custody/test_custody.py"],
    "commons/custody/custodian.py": ["tests/custody/test_custody.py"],
    "commons/custody/followed.py": ["tests/node/test_owners_log.py"],
    "commons/datasets/contribute.py": ["tests/datasets/test_contribute.py"],
    "commons/datasets/prepare.py": ["tests/datasets/test_prepare.py", "tests/datasets/test_declared.py",
                                    "tests/datasets/test_hostile_metadata.py"],
    "commons/disk/dating.py": ["tests/disk/test_dating.py"],
    "commons/disk/log.py": ["tests/disk/test_log.py"],
    "commons/disk/unpacker.py": ["tests/disk/test_unpacker.py"],
    "commons/log/evidence.py": ["tests/log/test_forks.py", "tests/witness/test_comparing.py"],
    "commons/disk/folded.py": ["tests/log/test_folded.py"],
    "commons/log/checking.py": ["tests/log/test_checking.py"],
    "commons/log/replica.py": ["tests/log/test_replica.py", "tests/log/test_folded.py"],
    "commons/log/verified.py": ["tests/log/test_folded.py"],
    "commons/log/registrars.py": ["tests/log/test_registrars.py"],
    "commons/node/verbs/log.py": ["tests/node/test_owners_log.py", "tests/log/test_audit.py"],
    "commons/node/verbs/status.py": ["tests/node/test_owners_log.py"],
    "commons/witness/gossip.py": ["tests/witness/test_comparing.py", "tests/log/test_forks.py"],
    "commons/witness/quorum.py": ["tests/witness/test_quorum.py"],
}  # fmt: skip
KILLER = ".killer"  # in a mutant's folder, the name of the test that failed
EXAMPLES = 10  # of a property show which lines it reaches, all but always
SECONDS = 20  # and twenty times what a test took without a mutant: one that needs more hangs, and so was seen
FLAGS = __future__.annotations.compiler_flag
KINDS = ("drop", "bound", "negate", "side")
MOVED = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
BRANCHES = (ast.If, ast.IfExp, ast.While)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of one function. `kind` is drop, bound, negate or side; `first` the function's first line."""

    path: str
    function: str
    first: int
    line: int
    kind: str
    before: str
    after: str
    code: CodeType = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """What stays the same when lines move: as it stands in `equivalent.txt`."""
        return f"{self.path} {self.function}: {self.kind}: {self.before} -> {self.after}"


# -- what is changed ---------------------------------------------------------------------------------------------------


def mutants(path: Path, kinds: Collection[str] = KINDS) -> Iterator[Mutant]:
    for function, qualname in _functions(ast.parse(path.read_text()), ""):
        alone = _alone(function, qualname)
        for node, parent, at in _places(function):
            for kind, changed in (each for each in _changes(node) if each[0] in kinds):
                before, after = (ast.unparse(each).strip().partition("\n")[0] for each in (node, changed))
                _put(parent, at, changed)
                code = compile(ast.fix_missing_locations(alone), str(path), "exec", FLAGS, dont_inherit=True)
                _put(parent, at, node)
                found = _code(code, qualname, _first(function))
                after = "" if kind == "drop" else after
                name = str(path.relative_to(HOUSE))
                line = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
                yield Mutant(name, qualname, _first(function), line, kind, before, after, found)


def _functions(node: ast.AST, above: str) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    """Outermost ones: what is defined in one changes with it."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FUNCTIONS):
            yield child, above + child.name
        else:
            yield from _functions(child, f"{above}{child.name}." if isinstance(child, ast.ClassDef) else above)


def _alone(function: ast.FunctionDef | ast.AsyncFunctionDef, qualname: str) -> ast.Module:
    """The function, in the classes that it is in, without what else is in its file."""
    inside: ast.stmt = function
    for name in reversed(qualname.split(".")[:-1]):
        inside = ast.ClassDef(name=name, bases=[], keywords=[], body=[inside], decorator_list=[])
    return ast.Module(body=[inside], type_ignores=[])


def _first(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([function.lineno, *(each.lineno for each in function.decorator_list)])


def _places(function: ast.AST) -> list[tuple[Any, ast.AST, tuple[str, int | None]]]:
    """Each node of a function's body with its parent, and where it stands in it."""
    found, waiting = [], [(function, name) for name in ("body",)]
    while waiting:
        parent, name = waiting.pop()
        value = getattr(parent, name)
        for n, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if isinstance(child, ast.AST):
                if hasattr(child, "lineno") or isinstance(child, ast.match_case):
                    found.append((child, parent, (name, n)))
                waiting += [(child, each) for each in child._fields if each not in ("annotation", "returns")]
    return found


def _put(parent: ast.AST, at: tuple[str, int | None], node: ast.AST) -> None:
    name, n = at
    if n is None:
        setattr(parent, name, node)
    else:
        getattr(parent, name)[n] = node


def _changes(node: Any) -> Iterator[tuple[str, ast.AST]]:
    def like(new: Any) -> Any:
        return ast.copy_location(new, node)

    if isinstance(node, ast.Raise) and node.exc is not None:  # kept where it is never reached: its names stay known
        yield "drop", like(ast.If(test=ast.Constant(False), body=[node], orelse=[]))
    if isinstance(node, ast.Compare):
        for n, op in enumerate(node.ops):
            if type(op) in MOVED:
                ops = [MOVED[type(op)]() if m == n else each for m, each in enumerate(node.ops)]
                yield "bound", like(ast.Compare(left=node.left, ops=ops, comparators=node.comparators))
    if isinstance(node, ast.BoolOp) and not isinstance(node.values[-1], ast.Constant):  # `x or 0` is no condition
        for n in range(len(node.values)):
            rest = [each for m, each in enumerate(node.values) if m != n]
            yield "side", like(ast.BoolOp(op=node.op, values=rest)) if len(rest) > 1 else rest[0]
    if isinstance(node, BRANCHES):
        parts = {name: getattr(node, name) for name in node._fields}
        yield "negate", like(type(node)(**{**parts, "test": like(ast.UnaryOp(op=ast.Not(), operand=node.test))}))
    if isinstance(node, ast.match_case):
        guard = ast.UnaryOp(op=ast.Not(), operand=node.guard) if node.guard else ast.Constant(False)
        yield "negate", ast.match_case(pattern=node.pattern, guard=guard, body=node.body)


def _code(code: CodeType, qualname: str, first: int) -> CodeType:
    waiting = [code]
    while waiting:
        each = waiting.pop()
        if (each.co_qualname, each.co_firstlineno) == (qualname, first):
            return each
        waiting += [const for const in each.co_consts if isinstance(const, CodeType)]
    raise LookupError(f"{qualname} at line {first} has no code")


def functions() -> dict[tuple[str, str, int], list[FunctionType]]:
    """Every function there is in this process, by its file, name and first line, however it is decorated."""
    found: defaultdict[tuple[str, str, int], list[FunctionType]] = defaultdict(list)
    for each in gc.get_objects():
        if isinstance(each, FunctionType):
            code = each.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(each)
    return found


# -- which tests reach it ----------------------------------------------------------------------------------------------


class Mapper:
    """Runs each test once, and finds out which functions, and which lines in them, it reached; by test file."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.found: defaultdict[str, dict[str, Any]] = defaultdict(lambda: {"took": {}, "reached": {}})
        self.coverage = coverage.Coverage(data_file=None, include=[str(each) for each in files], config_file=False)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.coverage.switch_context(item.nodeid)
        begun = time.monotonic()
        got = yield
        self.found[_file(item.nodeid)]["took"][item.nodeid] = time.monotonic() - begun
        return got

    def pytest_configure(self) -> None:
        _examples(max_examples=EXAMPLES)

    def pytest_collection_finish(self) -> None:
        self.coverage.start()

    def pytest_sessionfinish(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        for file in data.measured_files():
            path, lines = str(Path(file).relative_to(HOUSE)), data.contexts_by_lineno(file)
            for qualname, first, last in _spans(Path(file)):
                inside = {line: {*lines.get(line, ())} - {""} for line in range(first, last + 1)}
                for key, tests in [
                    (qualname, set().union(*inside.values())),
                    *((f"{qualname}+{line - first}", tests) for line, tests in inside.items()),
                ]:
                    for test in sorted(tests):
                        self.found[_file(test)]["reached"].setdefault(path, {}).setdefault(key, []).append(test)


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]


def mapped(place: Path, tests: Sequence[str]) -> dict[str, Any]:
    """What these tests reach: found out for the files of tests that changed since it was last, and kept in `place`."""
    known = json.loads(place.read_text()) if place.exists() else {}
    files = [
        each for name in tests for each in ([Path(name)] if Path(name).is_file() else Path(name).rglob("test_*.py"))
    ]
    digests = {str(each): hashlib.sha256(each.read_bytes()).hexdigest() for each in sorted(files)}
    if stale := [name for name, digest in digests.items() if known.get(name, {}).get("digest") != digest]:
        if os.fork() == 0:  # what it imports and starts is gone with it
            mapper = Mapper([HOUSE / each for each in _targets()])
            _pytest(mapper, *stale)
            known |= {name: {**mapper.found[name], "digest": digests[name]} for name in stale}
            place.write_text(json.dumps(known))
            os._exit(0)
        os.wait()
        known = json.loads(place.read_text())
    took, reached = dict[str, float](), defaultdict[str, defaultdict[str, list[str]]](lambda: defaultdict(list))
    for each in (known[name] for name in digests):
        took |= each["took"]
        for path, lines in each["reached"].items():
            for key, found in lines.items():
                reached[path][key] += found
    return {"took": took, "reached": reached}


def _spans(path: Path) -> Iterator[tuple[str, int, int]]:
    for function, qualname in _functions(ast.parse(path.read_text()), ""):
        yield qualname, _first(function), function.end_lineno or function.lineno


# -- the run -----------------------------------------------------------------------------------------------------------


class Runner:
    """After everything is imported and collected: each mutant in a fork of its own."""

    def __init__(self, chosen: Sequence[Mutant], known: dict[str, Any], jobs: int, until: float) -> None:
        self.chosen, self.known, self.jobs, self.until = chosen, known, jobs, until
        self.outcome: dict[Mutant, str] = {}
        self.killers: defaultdict[str, set[str]] = defaultdict(set)  # the tests that killed one of the file's before
        self.config: pytest.Config

    def pytest_configure(self, config: pytest.Config) -> None:
        self.config = config
        _examples()

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        gc.unfreeze()  # `functions` finds what the collector looks at
        known = functions()
        gc.freeze()
        under_way: dict[int, tuple[Mutant, Path]] = {}
        waiting = list(reversed(self.chosen))
        while waiting or under_way:
            if time.monotonic() > self.until:
                waiting.clear()  # what is left is not run: it was a sample
            while waiting and len(under_way) < self.jobs:
                mutant = waiting.pop()
                tests = [items[each] for each in self._tests(mutant) if each in items]
                if not tests:
                    self._say(mutant, "unreached")
                    continue
                folder = Path(tempfile.mkdtemp(prefix="mutant-"))
                if (pid := os.fork()) == 0:
                    self._child(mutant, known[str(HOUSE / mutant.path), mutant.function, mutant.first], tests, folder)
                under_way[pid] = (mutant, folder)
            if not under_way:
                continue  # the last ones were reached by no test
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid in under_way:
                mutant, folder = under_way.pop(pid)
                self.killers[mutant.path] |= {each.read_text() for each in folder.glob(KILLER)}
                shutil.rmtree(folder, ignore_errors=True)
                ends = {0: "survived", 2: "not run", -signal.SIGALRM: "hung"}
                self._say(mutant, ends.get(os.waitstatus_to_exitcode(status), "killed"))
                continue
            time.sleep(0.005)
        return True

    def _tests(self, mutant: Mutant) -> list[str]:
        """Those first that killed one of the same file, then those of the file's own tests, quick ones before."""
        reached, killers = self.known["reached"].get(mutant.path, {}), self.killers[mutant.path]
        names = reached.get(f"{mutant.function}+{mutant.line - mutant.first}") or reached.get(mutant.function, [])
        own = f"/test_{Path(mutant.path).name}::"
        return sorted(names, key=lambda each: (each not in killers, own not in each, self.known["took"].get(each, 0)))

    def _child(
        self, mutant: Mutant, functions: Sequence[FunctionType], tests: Sequence[pytest.Item], folder: Path
    ) -> None:  # fmt: skip
        """Never returns: ends with 0 where every test passes, 1 at the first that fails, 2 where it could not run."""
        code = 2
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends this process
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            factory = self.config._tmp_path_factory  # type: ignore[attr-defined]
            factory._basetemp = folder
            for each in functions:
                each.__code__ = mutant.code
            if functions:
                failing = (each.nodeid for each, after in pairwise([*tests, None]) if self._fails(each, after))
                if killer := next(failing, ""):
                    (folder / KILLER).write_text(killer)
                code = int(bool(killer))
        finally:
            os._exit(code)

    def _fails(self, item: pytest.Item, following: pytest.Item | None) -> bool:
        signal.setitimer(signal.ITIMER_REAL, SECONDS + 20 * self.known["took"].get(item.nodeid, 0))
        return any(each.failed for each in runtestprotocol(item, nextitem=following, log=False))

    def _say(self, mutant: Mutant, outcome: str) -> None:
        self.outcome[mutant] = outcome
        if outcome != "killed":
            print(f"{outcome}\t{mutant.path}:{mutant.line}\t{mutant.name}", flush=True)


def reasons() -> dict[str, str]:
    """By mutant's name, why it changes nothing: a line of `name`, then indented ones with the reason."""
    found, name = {}, ""
    for line in REASONS.read_text().splitlines():
        if line.startswith("    "):
            found[name] = f"{found.get(name, '')} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            name = line
    return found


def _examples(**words: Any) -> None:
    """The same ones in each run, and none made smaller: that a test fails is enough to know."""
    settings.register_profile("mutants", phases=(Phase.explicit, Phase.generate), derandomize=True, **words)
    settings.load_profile("mutants")


def _pytest(plugin: object, *words: str) -> int:
    options = ["-q", "-s", "-o", "timeout=0", "-n", "0", "-p", "no:cacheprovider", "--no-summary", "-W", "ignore"]
    return int(pytest.main([*options, "-m", COUNTED_ON, *words], plugins=[plugin]))


def _changed(since: str) -> set[str]:
    done = subprocess.run(["git", "diff", "--name-only", since], capture_output=True, text=True, check=True, cwd=HOUSE)
    return set(done.stdout.split())


def _targets() -> dict[str, list[str]]:
    """The files whose guards are looked at, and where their tests are."""
    return {str(each): tests for glob, tests in BESIDE.items() for each in sorted(Path().glob(glob))}


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("files", nargs="*", help="all of the kind where none is named")
    parser.add_argument("--since", help="only the files that changed since this commit")
    parser.add_argument("--kind", action="append", choices=KINDS, help="drop: guards only")
    parser.add_argument("--tests", nargs="+", help="these, and not those that stand beside the files")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="a sample: what is run by then")
    parser.add_argument("--part", default="1/1", help="N/M: the N-th of M parts")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--map", type=Path, default=Path(tempfile.gettempdir()) / "commons-mutants.json")
    parser.add_argument("--anew", action="store_true", help="find out again which tests reach which lines")
    said = parser.parse_args()
    os.chdir(HOUSE)
    targets = _targets()
    named = said.files or [*targets]
    changed = _changed(said.since) if said.since else set(named)
    files = [each for each in named if each in changed]
    if not files:
        print("no file whose guards are looked at has changed")
        return 0
    if said.anew:
        said.map.unlink(missing_ok=True)
    until, half = (time.monotonic() + 60 * said.minutes * part for part in (1, 0.5))
    looked, seen = list[str](), list[list[str]]()
    for each in files:
        tests = said.tests or targets[each]
        if tests not in seen and time.monotonic() < half:  # the rest of the time is for mutants
            seen.append(tests)
            mapped(said.map, tests)
        if tests in seen:
            looked.append(each)
    if len(looked) < len(files):
        print(f"not looked at: {', '.join(sorted({*files} - {*looked}))}")
    tests = said.tests or sorted({test for each in looked for test in targets[each]})
    known = mapped(said.map, tests)
    part, parts = map(int, said.part.split("/"))
    every = [
        each
        for file in looked
        for each in mutants(HOUSE / file, said.kind or KINDS)
        if int(hashlib.sha256(each.name.encode()).hexdigest(), 16) % parts == part - 1
    ]
    known_reasons = reasons()
    for stale in sorted(name for name in known_reasons if name.split()[0] in files and part == parts == 1):
        if not said.kind and stale not in {each.name for each in every}:
            print(f"no such mutant any more: {stale}")
    if until < float("inf"):  # whatever comes first, and guards that are dropped before all
        every.sort(key=lambda each: (each.kind != "drop", hashlib.sha256(each.name.encode()).digest()))
    runner = Runner([each for each in every if each.name not in known_reasons], known, said.jobs, until)
    _pytest(runner, *tests)
    run = [each for each in every if each in runner.outcome or each.name in known_reasons]
    if len(run) < len(every):
        print(f"{len(every) - len(run)} of {len(every)} were not run")
    return _report(run, runner.outcome, known_reasons)


def _report(every: Sequence[Mutant], outcome: dict[Mutant, str], known: dict[str, str]) -> int:
    """The table; 0 where no dropped guard survived, and at most one in twenty of the rest."""
    print(f"{'':8}{'killed':>10}{'equivalent':>12}{'survived':>10}")
    left = {}
    for kind in KINDS:
        of_kind = [each for each in every if each.kind == kind]
        equal = sum(each.name in known for each in of_kind)
        killed = sum(outcome.get(each) in ("killed", "hung") for each in of_kind)
        left[kind] = len(of_kind) - equal - killed
        print(f"{kind:8}{killed:>10}{equal:>12}{left[kind]:>10}")
    rest = sum(each.kind != "drop" for each in every)
    return int(left["drop"] > 0 or sum(left.values()) - left["drop"] > rest / 20)


if __name__ == "__main__":
    sys.exit(main())
