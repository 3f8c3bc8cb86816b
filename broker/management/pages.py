"""The pages for people who open the port in a browser."""

from collections.abc import Sequence
from html import escape
from typing import Final

from broker.management.facts import Facts
from broker.management.routes import Route

_HEAD: Final = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font-family: sans-serif; max-width: {width}em; margin: 3em auto; line-height: 1.5 }}
td {{ padding: 0 1em 0.3em 0; vertical-align: top }}</style></head>
"""

_FRONT: Final = """<body><h1>PonyMQ {version}</h1>
<p>An AMQP 0-9-1 message broker. This is its HTTP port. There is no web console yet.</p>
<ul>
<li>The HTTP API, in RabbitMQ's shape, begins at <a href="/api/overview">/api/overview</a>; it asks for a login.
<a href="/api/index.html">All its paths</a>.</li>
<li>{metrics}</li>
<li>On the command line, <code>ponymqctl status</code> and <code>ponymqctl list-queues</code> ask the same API.</li>
</ul></body></html>
"""

_REFERENCE: Final = """<body><h1>HTTP API of PonyMQ {version}</h1>
<p>RabbitMQ's management API; the same as an <a href="/api/openapi.json">OpenAPI document</a>. Names in paths are
percent-encoded, slashes too: the default vhost is <code>%2F</code>.</p>
<table>
{rows}
</table></body></html>
"""


def front_page(facts: Facts) -> str:
    """What is on this port."""
    metrics = "Prometheus metrics are off."
    for listener in facts.listeners:
        if listener.protocol == "http/prometheus":
            metrics = f"Prometheus metrics are at <code>/metrics</code> on port {listener.port}."
    head = _HEAD.format(title="PonyMQ", width=40)
    return head + _FRONT.format(version=facts.node.product_version, metrics=metrics)


def reference_page(routes: Sequence[Route], version: str) -> str:
    """Every path of the API, with what it does."""
    rows = "\n".join(
        f"<tr><td>{route.method}</td><td><code>/api{escape(route.path)}</code></td><td>{escape(route.about[0])}</td></tr>"
        for route in routes
    )
    return _HEAD.format(title="PonyMQ HTTP API", width=70) + _REFERENCE.format(version=version, rows=rows)
