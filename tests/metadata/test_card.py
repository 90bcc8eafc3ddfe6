"""Cards of Hugging Face datasets."""

from __future__ import annotations

import pytest

from commons.errors import Malformed, TooLarge
from commons.metadata import card
from commons.metadata.description import Description


def read(matter: str) -> Description | None:
    return card.read(f"---\n{matter}\n---\n# A dataset\n---\nlicense: mit\n")


def test_a_card_is_read() -> None:
    matter = (
        "license: cc-by-sa-4.0\npretty_name: Rivers\ntags:\n- rivers\n- water\ndataset_info:\n  features: [{name: a}]"
    )
    assert read(matter) == Description(title="Rivers", licence="CC-BY-SA-4.0", keywords=("rivers", "water"))


@pytest.mark.parametrize(
    ("matter", "licence"),
    [
        ("license: [cc-by-4.0, odbl]", "CC-BY-4.0 AND odbl"),
        ("license:\n- mit", "MIT"),
        ("license: cc", "cc"),
        ("license: other\nlicense_name: ours\nlicense_link: https://example.org/ours", "https://example.org/ours"),
        ("license: other\nlicense_name: cc-by-4.0\nlicense_link: LICENSE", "CC-BY-4.0"),
        ("license: other", "other"),
        ("license: cc-by-4.0\nlicense_link: https://example.org/ours", "CC-BY-4.0"),
        ("title: x", None),
    ],
)
def test_the_licence_is_what_the_card_says(matter: str, licence: str | None) -> None:
    found = read(matter)
    assert found is not None
    assert found.licence == licence


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# Readme\n",
        "---",
        "---\nlicense: mit\n",
        "---\n---\n",
        "---\njust words\n---\n",
        " ---\na: 1\n---",
        "----\na: 1\n---\n",
    ],
)
def test_a_readme_without_front_matter_says_nothing(text: str) -> None:
    assert card.read(text) is None


def test_line_ends_of_any_system_and_a_mark_at_the_beginning() -> None:
    found = card.read("\ufeff---\r\nlicense: mit\r\n---\r\n")
    assert found is not None
    assert found.licence == "MIT"


@pytest.mark.parametrize(
    "matter", ["license: {a: b}", "license: 5", "license: *x", "tags: {a: b}", "a: b: c", "a: 1\na: 2"]
)
def test_a_card_that_is_broken_is_refused(matter: str) -> None:
    with pytest.raises(Malformed):
        read(matter)


def test_a_card_without_end_is_bounded() -> None:
    with pytest.raises(TooLarge):
        read("a: " + "x" * (1 << 20))
