"""docs/api.md and docs/control.schema.json, made from the verbs themselves: see `tests.pages`."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from typing import Any, get_args

import attrs

from commons import session
from commons.node.desk import VERBS
from commons.node.verbs import shapes
from commons.node.verbs.registry import Verb

TITLES = {
    "": "The node", "datasets": "Datasets", "log": "The log", "community": "Communities", "custody": "Custody",
    "witness": "Witnesses",
}  # fmt: skip
GROUPS = {
    "": session.Session, "datasets": session.DatasetVerbs, "log": session.LogVerbs,
    "community": session.CommunityVerbs, "custody": session.CustodyVerbs, "witness": session.WitnessVerbs,
}  # fmt: skip
ABOVE = """# The API

<!-- Made from the code by `make pages`: change it there. -->

How it is used from Python is in [python.md](python.md).

A *verb* is something that the owner of a home does: the command line, the owner's door and the Python package call the
same ones. Its words are named, in Python and as JSON. Its result is a frozen value, in JSON an object of the same
fields; `commons --json` prints it. Times are seconds since 1970, sizes are bytes. An error is a `CommonsError` of
`commons.errors`; its `number` is the exit code of the command line.

The owner's door is at the URL in the home's file `control`, while a node runs, with the token from there:
`POST /verbs/NAME`, `Authorization: Bearer TOKEN`, the words as one JSON object. The answer is lines of JSON:
`{"done": …, "of": …}` while it runs, then `{"told": RESULT}`, or an error: `{"error": NUMBER, "message": …, "hint": …,
"evidence": […]}`. Beside `told` there is, once, `alone`, where the log went on though nobody could say whether it is
the newest copy. [control.schema.json](control.schema.json) has the words and the result of each verb.
"""


def methods() -> dict[str, tuple[str, str]]:
    """By a verb's name: its group and its name in Python."""
    return {
        each.function.__name__: (group, name)
        for group, kind in GROUPS.items()
        for name, each in vars(kind).items()
        if isinstance(each, session.Method)
    }


def verbs() -> list[Verb]:
    """In the order of the groups, whatever was imported first."""
    return [VERBS[name] for name in methods()]


def anchored(name: str) -> str:
    return f"[{name}](#{name.lower()})"


def linked(kind: Any) -> str:
    """A type in words, with links to the classes of results."""
    text = shapes.spelt(kind)
    for each in classes(kind):
        text = text.replace(each.__name__, anchored(each.__name__))
    return text


def classes(kind: Any) -> Iterator[Any]:
    if attrs.has(kind):
        yield kind
    else:
        for each in get_args(kind):
            yield from classes(each)


def default(value: Any) -> str:
    if value is None or value == ():
        return ""
    return f"`{json.dumps(value)}`"


def entry(verb: Verb, group: str, name: str) -> Iterator[str]:
    path = f"node.{group}.{name}" if group else f"node.{name}"
    yield f"### {path}\n\n{inspect.getdoc(verb.function)}\n"
    at = [f"Verb `{verb.name}`", f"tells {' or '.join(anchored(each.__name__) for each in classes(verb.result))}"]
    if verb.reads:
        at.append("works on a home that cannot be written")
    yield f"{'; '.join(at)}.\n"
    if verb.words:
        yield "| word | type | |\n|---|---|---|"
        for word in verb.words.values():
            more = [word.says, "needed" if word.needed else default(word.default)]
            yield f"| `{word.name}` | {shapes.spelt(word.kind)} | {'; '.join(filter(None, more))} |"
        yield ""


def results() -> list[Any]:
    """Every class of a result, each before those that its fields hold."""
    found: dict[Any, None] = {}

    def add(kind: Any) -> None:
        for each in classes(kind):
            if each not in found:
                found[each] = None
                for field in attrs.fields(attrs.resolve_types(each)):
                    add(field.type)

    for verb in verbs():
        add(verb.result)
    return [*found]


def page() -> str:
    lines, at = [ABOVE], methods()
    for group, title in TITLES.items():
        lines.append(f"## {title}\n\n{shapes.said(GROUPS[group])}\n")
        for verb, (there, name) in at.items():
            if there == group:
                lines += entry(VERBS[verb], group, name)
    lines.append("## Results\n")
    for kind in results():
        lines.append(f"### {kind.__name__}\n\n{shapes.said(kind)}\n\n| field | type | what it says |\n|---|---|---|")
        for field in attrs.fields(attrs.resolve_types(kind)):
            bare, said = get_args(field.type)
            left = " *(left out where it has nothing to say)*" if "beside" in field.metadata else ""
            lines.append(f"| `{field.name}` | {linked(bare)} | {said}{left} |")
        lines.append("")
    return "\n".join(lines)


def schema() -> str:
    """Of the owner's door: by each verb's name, the schema of its words and of what it tells."""
    named: dict[str, Any] = {}
    doors = {
        verb.name: {
            "description": shapes.said(verb.function),
            "words": {
                "type": "object", "additionalProperties": False,
                "properties": {word.name: shapes.schema(word.kind, named) for word in verb.words.values()},
                "required": [word.name for word in verb.words.values() if word.needed],
            },
            "told": shapes.schema(verb.result, named),
        }
        for verb in verbs()
    }  # fmt: skip
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "The owner's door: POST /verbs/NAME, see docs/api.md",
        "verbs": doors,
        "definitions": dict(sorted(named.items())),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"
