"""What is asked at a terminal, in words of ours: asked again until the answer is one. Knows no command."""

from __future__ import annotations

from collections.abc import Sequence

import click

from commons.cli import show


def typed(text: str) -> str:
    """What is typed after `text`."""
    answer: str = click.prompt(text)
    return answer


def unseen(text: str, err: bool = False) -> str:
    """What is typed and not shown."""
    answer: str = click.prompt(text, hide_input=True, err=err)
    return answer


def twice(text: str, err: bool = False) -> str:
    """What is typed unseen, and a second time alike."""
    while True:
        answer = unseen(text, err)
        if unseen("The same once more", err) == answer:
            return answer
        show.put("The two are not the same.", err=err)


def one_of(text: str, words: Sequence[str], default: str | None = None) -> str:
    """One of `words`; `default` where nothing is typed."""
    while True:
        answer: str = click.prompt(f"{text} ({', '.join(words)})", default=default)
        if answer in words:
            return answer
        show.put(f"{show.clean(answer)[:60]!r} is none of {', '.join(words)}.")


def agreed(text: str, err: bool = False) -> bool:
    """Whether a question is answered with yes; nothing typed is no."""
    while True:
        answer: str = click.prompt(f"{text} [y/N]", default="", show_default=False, err=err)
        if (said := answer.strip().lower()) in ("", "n", "no", "y", "yes"):
            return said in ("y", "yes")
        show.put("Type y for yes, or n for no.", err=err)
