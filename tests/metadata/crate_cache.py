"""The HTTP cache from which rocrate-validator takes the crate's context, so that it needs no network."""

from __future__ import annotations

import io
from pathlib import Path

CONTEXT = "https://w3id.org/ro/crate/1.3/context"


def seed(path: Path) -> None:
    """A cache at `path` that holds the context of RO-Crate 1.3, as the package `rocrate` carries it (CC0)."""
    import requests
    import rocrate
    import urllib3
    from requests_cache import CachedSession

    body = (Path(rocrate.__file__).parent / "data" / "ro-crate.jsonld").read_bytes()
    answer = requests.Response()
    answer.status_code, answer.url = 200, CONTEXT
    answer.headers["Content-Type"] = "application/ld+json"
    answer.request = requests.Request("GET", CONTEXT).prepare()
    answer.raw = urllib3.HTTPResponse(
        body=io.BytesIO(body), headers=dict(answer.headers), status=200, request_url=CONTEXT, preload_content=False
    )
    answer._content = body
    with CachedSession(str(path), backend="sqlite", expire_after=-1) as session:
        session.cache.save_response(answer)
