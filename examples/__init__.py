"""Small, openly licensed datasets, each in a folder with its SOURCE.md: three are real (caniuse, openmoji, penguins),
three generated for stories of communities that do not exist (health, housing, rides)."""

from importlib.resources import files
from pathlib import Path


def path(name: str) -> Path:
    """The folder of an example, wherever the package is installed; LookupError if there is none."""
    found = Path(str(files(__name__).joinpath(name)))
    if not (found / "SOURCE.md").is_file():
        raise LookupError(f"there is no example {name!r}")
    return found
