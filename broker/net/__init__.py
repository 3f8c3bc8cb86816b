"""Net: where the data plane meets the event loop.

Listening sockets and the asyncio protocol that feeds connections and writes their outboxes. Backpressure both ways: a
peer that does not read gets no deliveries, and in the end is not read from either.

Decided here: ``AmqpSocket`` is a compiled class that does not inherit ``asyncio.Protocol``; both loops accept any
object with the six callbacks, and it keeps its fixed layout.
"""
