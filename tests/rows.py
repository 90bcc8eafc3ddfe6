"""One test over many rows, or over some of them, and how many examples are tried of what cannot be counted.

To collect, share out and report a test costs more than to run one of a line or two: a table of a thousand rows is one
test, which goes through all of them and tells each for which it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from _pytest.mark import ParameterSet
from hypothesis import settings

COUNTED_ON = "not long and not validators"  # by the mutants and the claims: the plain tests and the rest
MANY = 60  # examples of a property, where there is time; the profile says how many are tried


def over(names: str | tuple[str, ...], rows: Iterable[Any], ids: Callable[[Any], str] = repr) -> Any:
    """What pytest's `parametrize` is, for a test without fixtures, as one test."""
    table, several = [*rows], not isinstance(names, str)

    def joined(test: Callable[..., None]) -> Callable[[], None]:
        def whole() -> None:
            wrong = list[BaseException]()
            for row in table:
                try:
                    test(*row) if several else test(row)
                except (Exception, pytest.fail.Exception) as error:
                    error.add_note(f"for {', '.join(map(ids, row)) if several else ids(row)}"[:500])
                    wrong.append(error)
            if wrong:
                raise BaseExceptionGroup(f"{len(wrong)} of {len(table)} rows are wrong", wrong)
            assert table

        whole.__name__, whole.__qualname__, whole.__doc__ = test.__name__, test.__qualname__, test.__doc__
        whole.__module__ = test.__module__
        return whole

    return joined


def one_in(many: int) -> pytest.MarkDecorator:
    """For a test that goes through all steps or all bits of something, by `range(first, last, every)`: it takes the
    first of them and one in so many, and each of them among the long tests."""
    return pytest.mark.parametrize("every", [many, pytest.param(1, marks=pytest.mark.long)])


def few(rows: Iterable[Any], every: int) -> list[Any]:
    """The rows of a `parametrize` with one in `every` among the plain tests, from the first on; the others are the
    `rest`."""
    made = [
        row if isinstance(row, ParameterSet) else pytest.param(*row) if isinstance(row, tuple) else pytest.param(row)
        for row in rows
    ]
    return [row if n % every == 0 else row._replace(marks=[*row.marks, pytest.mark.rest]) for n, row in enumerate(made)]


def examples(many: int) -> int:
    """As many examples of a property that needs others than `MANY`, as the profile has time for."""
    return max(1, many * settings().max_examples // MANY)
