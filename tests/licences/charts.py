"""Creative Commons' two charts, copied cell by cell from github.com/creativecommons/faq. The code holds no chart.

Remix: the FAQ's picture "CC License Compatibility Chart". Adapter: the FAQ's table "Adapter's license chart".
"""

from __future__ import annotations

ORDER = ("CC-PDM-1.0", "CC0-1.0", "CC-BY", "CC-BY-SA", "CC-BY-NC", "CC-BY-ND", "CC-BY-NC-SA", "CC-BY-NC-ND")
REMIX = """
1 1 1 1 1 0 1 0
1 1 1 1 1 0 1 0
1 1 1 1 1 0 1 0
1 1 1 1 0 0 0 0
1 1 1 0 1 0 1 0
0 0 0 0 0 0 0 0
1 1 1 0 1 0 1 0
0 0 0 0 0 0 0 0
"""

# rows: the source; columns: the adapter's licence. g: green, y: yellow (possible, advised against), -: forbidden
COLUMNS = ("CC-BY", "CC-BY-NC", "CC-BY-NC-ND", "CC-BY-NC-SA", "CC-BY-ND", "CC-BY-SA", "CC0-1.0")
ADAPTER = {
    "CC0-1.0": "ggggggg",
    "CC-BY": "ggggggy",
    "CC-BY-NC": "ygggyyy",
    "CC-BY-NC-ND": "-------",
    "CC-BY-NC-SA": "---g---",
    "CC-BY-ND": "-------",
    "CC-BY-SA": "-----g-",
}


def at(unit: str, version: str = "4.0") -> str:
    """The id of a chart's row or column."""
    return unit if unit[-1] == "0" else f"{unit}-{version}"


def remix() -> list[tuple[str, str, bool]]:
    rows = REMIX.split("\n")[1:-1]
    return [
        (a, b, cell == "1")
        for a, row in zip(ORDER, rows, strict=True)
        for b, cell in zip(ORDER, row.split(), strict=True)
    ]


def adapter() -> list[tuple[str, str, str]]:
    return [(source, to, cell) for source, row in ADAPTER.items() for to, cell in zip(COLUMNS, row, strict=True)]
