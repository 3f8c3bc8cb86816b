"""Management: the HTTP doors of the broker, for people and tools: the HTTP API and the metrics.

Paths, field names, status codes and error bodies are RabbitMQ's, so that its tools work unchanged. This room turns
objects of the data plane into JSON. It changes users, vhosts and permissions, policies, limits and the default queue
type, in a turn of the broker for each request; every other path that writes is refused.

It does not listen: it returns aiohttp applications, and ``broker.server`` opens the ports.

Decided here: whatever may be long is made in steps, and the loop goes back to the broker after each millisecond of them
(``pace``), so that a list of 10,000 queues does not stop the traffic. A row is a table of fields (``fields``), so that
a list sorted by one column, or cut to a few, makes no others. A field that is not measured is left out; where typed
clients insist on it, it is an estimate or zero, and docs/monitoring.md says so.
"""
