"""Metrics: the broker's figures as Prometheus reads them, under RabbitMQ's names where RabbitMQ has one.

Pull, not push: the data plane adds to plain integers on its own objects; a scrape comes and reads them, and so does the
sampler, every five seconds. What is kept here is the past of those figures, for rates: of objects that have moved, and
of no more than 2000 of a kind.

It does not know connections, which are above it: ``Peers`` is the shape in which somebody hands them in. It opens no
port: ``broker.management`` serves the text. It has no timer: ``broker.server`` drives the sampler.

Rooms inside: ``scrape`` with ``families`` and the tables of rows (``queue_rows``, ``peer_rows``, ``topology_rows``,
``counter_metrics``, ``node_metrics``); ``sampler`` on ``tracks`` (rates of many objects) and ``history`` (rings of
samples), with ``figures`` (what is sampled); ``why`` (what a queue's figures mean).

Decided here: a scrape is a generator of small pieces of text, so that whoever serves it can let the broker work between
two of them; with 10,000 queues one row each would otherwise hold the loop for a second. A figure that is not measured
is left out, never sent as zero.
"""
