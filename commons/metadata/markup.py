"""XML as elements, read within bounds. A document type is refused, and with it every entity that one could define or
fetch. Knows no format.
"""

from __future__ import annotations

from dataclasses import dataclass
from xml.parsers import expat

from commons.errors import Malformed, TooLarge
from commons.metadata.description import encoded

LIMIT = 4 << 20  # characters
_DEEPEST, _MOST = 64, 100_000  # elements in elements, and elements
_CHUNK = 64 << 10  # characters given at once: the parser reads on to their end, whatever was refused in them


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """An element: its namespace (`space`, "" for none) and `name`, its `attributes` without those of a namespace, and
    its `content`, texts and elements in their order."""

    space: str
    name: str
    attributes: dict[str, str]
    content: tuple[str | Element, ...]

    @property
    def inner(self) -> tuple[Element, ...]:
        """The elements that stand directly in it."""
        return tuple(each for each in self.content if isinstance(each, Element))

    def words(self) -> str:
        """All text in it, also that of the elements in it; a <br> is the end of a line."""
        return "".join(
            each if isinstance(each, str) else "\n" if each.name == "br" else each.words() for each in self.content
        )


def load(text: str) -> Element:
    """The outermost element of the document that `text` is. Malformed for what is no XML, for a document type, and for
    nesting over 64; TooLarge over 4 MiB or 100,000 elements. Nothing else is raised, and nothing is fetched.

    >>> found = load('<a xmlns="urn:x"><b c="1">two <i>words</i></b></a>')
    >>> found.space, found.name, found.inner[0].attributes, found.inner[0].words()
    ('urn:x', 'a', {'c': '1'}, 'two words')
    """
    encoded(text)
    if len(text) > LIMIT:
        raise TooLarge(f"XML of more than {LIMIT >> 20} MiB")
    if "<!DOCTYPE" in text:  # looked for here, since the parser would unfold what it defines before it can be stopped
        raise Malformed("XML with a document type, which is not read here", hint="take its <!DOCTYPE …> out")
    tree = _Tree()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler, parser.EndElementHandler = tree.start, tree.end
    parser.CharacterDataHandler = tree.words
    try:
        for at in range(0, len(text), _CHUNK):
            parser.Parse(text[at : at + _CHUNK], False)
        parser.Parse("", True)
    except expat.ExpatError as error:
        where = f"line {parser.ErrorLineNumber}, column {parser.ErrorColumnNumber + 1}"
        hint = "every <name> is closed by its </name>, and & and < stand as &amp; and &lt;"
        raise Malformed(f"not XML: wrong at {where}", hint=hint) from error
    return tree.root()


class _Tree:
    """The elements as the parser tells them: those that are open, and around them one that holds the outermost."""

    def __init__(self) -> None:
        self.open: list[tuple[str, dict[str, str], list[str | Element]]] = [("", {}, [])]
        self.many = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.many += 1
        if len(self.open) > _DEEPEST:
            raise Malformed(f"XML nested deeper than {_DEEPEST}")
        if self.many > _MOST:
            raise TooLarge(f"XML of more than {_MOST} elements")
        self.open.append((name, {key: value for key, value in attributes.items() if " " not in key}, []))

    def end(self, name: str) -> None:
        _, attributes, content = self.open.pop()
        space, _, local = name.rpartition(" ")
        self.open[-1][2].append(Element(space=space, name=local, attributes=attributes, content=tuple(content)))

    def words(self, text: str) -> None:
        self.open[-1][2].append(text)

    def root(self) -> Element:
        return next(each for each in self.open[0][2] if isinstance(each, Element))
