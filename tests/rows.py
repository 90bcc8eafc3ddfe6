"""One test over many rows. To collect, share out and report a test costs more than to run one of a line or two: a table
of a thousand rows is one test, which goes through all of them and tells each for which it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest


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
