"""What the published schema of the owner's door says of answers: every one that a test gets is held against it."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

SCHEMA = Path(__file__).parents[1] / "docs" / "control.schema.json"


@cache
def published() -> dict[str, Any]:
    whole: dict[str, Any] = json.loads(SCHEMA.read_text())
    Draft7Validator.check_schema(whole)
    return whole


@cache
def _validator(verb: str, part: str) -> Any:
    whole = published()
    return Draft7Validator({**whole["verbs"][verb][part], "definitions": whole["definitions"]})


def faults(verb: str, part: str, value: Any) -> list[str]:
    """What of a verb's words, or of what it `told`, is not as the schema has it."""
    return [f"{verb}: {each.message[:300]}" for each in _validator(verb, part).iter_errors(value)]


def check(verb: str, told: dict[str, Any]) -> None:
    """`alone` is beside what a verb tells."""
    assert faults(verb, "told", {name: value for name, value in told.items() if name != "alone"}) == []
