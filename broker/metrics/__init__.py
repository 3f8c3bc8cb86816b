"""Metrics: the broker's figures as Prometheus reads them, under RabbitMQ's names where RabbitMQ has one.

Pull, not push: the data plane adds to plain integers on its own objects, and a scrape comes and reads them. Nothing is
kept here between two scrapes.

It does not know connections, which are above it: ``Peers`` is the shape in which somebody hands them in. It opens no
port: ``broker.management`` serves the text.

Decided here: a scrape is a generator of small pieces of text, so that whoever serves it can let the broker work between
two of them; with 10,000 queues one row each would otherwise hold the loop for a second. A figure that is not measured
is left out, never sent as zero.
"""
