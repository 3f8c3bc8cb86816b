"""Management: the HTTP doors of the broker, for people and tools: the HTTP API, the web console and the metrics.

Paths, field names, status codes and error bodies are RabbitMQ's, so that its tools work unchanged. This room turns
objects of the data plane into JSON. It changes users, vhosts and permissions, policies, limits and the default queue
type, in a turn of the broker for each request; every other path that writes is refused.

It does not listen: it returns aiohttp applications, and ``broker.server`` opens the ports.

Decided here: rows are made and encoded in slices, and the loop goes back to the broker between two of them, so that a
list of 10,000 queues does not stop the traffic for its whole length; a field that is not measured is left out.
"""
