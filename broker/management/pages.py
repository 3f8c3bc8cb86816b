"""The page that lists the paths of the API."""

from collections.abc import Sequence
from html import escape
from typing import Final

from broker.management.routes import Route

_REFERENCE: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>PonyMQ HTTP API</title>
<style>body {{ font-family: sans-serif; max-width: 70em; margin: 3em auto; line-height: 1.5 }}
td {{ padding: 0 1em 0.3em 0; vertical-align: top }}</style></head>
<body><h1>HTTP API of PonyMQ {version}</h1>
<p>RabbitMQ's management API; the same as an <a href="/api/openapi.json">OpenAPI document</a>. Names in paths are
percent-encoded, slashes too: the default vhost is <code>%2F</code>.</p>
<table>
{rows}
</table></body></html>
"""


def reference_page(routes: Sequence[Route], version: str) -> str:
    """Every path of the API, with what it does."""
    rows = "\n".join(
        f"<tr><td>{route.method}</td><td><code>/api{escape(route.path)}</code></td><td>{escape(route.about[0])}</td></tr>"
        for route in routes
    )
    return _REFERENCE.format(version=version, rows=rows)
