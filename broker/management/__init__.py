"""Management: the HTTP doors of the broker, for people and tools: the HTTP API, the web console and the metrics.

Paths, field names, status codes and error bodies are RabbitMQ's, so that its tools work unchanged. One table
(``api_table``) says what is at every path: dispatch goes by it, and the OpenAPI document is made from it. A module per
noun has the functions behind its rows. What they show they read from the data plane's objects.

Queues, exchanges, bindings and messages are changed by AMQP's own methods, on a connection without a socket
(``session``): their rules and the user's rights are not written down a second time here. Users, vhosts, permissions,
policies, limits and parameters, which AMQP does not know, are changed in a turn of the broker for each request;
definitions are imported in as many turns as they need.

It does not listen: it returns aiohttp applications, and ``broker.server`` opens the ports.

Decided here: whatever may be long is made in steps, and the loop goes back to the broker after each millisecond of them
(``pace``), so that a list of 10,000 queues does not stop the traffic. A row is a table of fields (``fields``), so that
a list sorted by one column, or cut to a few, makes no others. Definitions are checked as a whole before the first of
them changes anything, and what is so already is not written again. A field that is not measured is left out; where
typed clients insist on it, it is an estimate or zero, and docs/monitoring.md says so.
"""
