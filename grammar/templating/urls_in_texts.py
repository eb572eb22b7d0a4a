"""URLs in texts for people: without what may be a secret in them. Pure."""

import re

_URL = re.compile(r"([a-z][a-z0-9+.-]*://)([^\s/?#\"<>]*@)?([^\s?#\"'<>]*)([?#][^\s\"'<>]*)?", re.IGNORECASE)
_VALUE = re.compile(r"=[^&;#]*")


def bare_urls(text: str) -> str:
    """Return the text with each URL in it without user and password, and without the values of its query."""
    return _URL.sub(_bare, text) if "://" in text else text


def _bare(url: re.Match[str]) -> str:
    query = url[4] or ""
    told = _VALUE.sub("=…", query) if "=" in query else query[:1] + "…" * bool(query[1:])
    return f"{url[1]}{url[3]}{told}"
