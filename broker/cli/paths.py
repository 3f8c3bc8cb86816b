"""Paths of the HTTP API, from names in them."""

from urllib.parse import quote


def api_path(*segments: str) -> str:
    """``/api/queues/%2F/jobs``: whatever the names hold, each is one segment."""
    return "/api/" + "/".join(quote(segment, safe="") for segment in segments)
