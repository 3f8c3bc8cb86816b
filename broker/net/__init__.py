"""Net: where the data plane meets the event loop.

Listening sockets and the asyncio protocol that feeds connections and writes their outboxes. Backpressure both ways: a
peer that does not read gets no deliveries, and in the end is not read from either. What comes before a protocol's first
octet is seen to here as well: how often an address may connect, PROXY headers, TLS.

Decided here: ``AmqpSocket`` is a compiled class that does not inherit ``asyncio.Protocol``; both loops accept any
object with the callbacks, and it keeps its fixed layout. It reads into one buffer that all sockets share (uvloop's way;
asyncio's own loop hands it chunks), 64 KiB at a time where messages are small, so that a flood leaves the others room.
A plain port is the loop's own server; where TLS or a PROXY header comes first, a ``Door`` accepts, so that a flood is
turned away before a handshake is paid for, and what fails there is logged at our rate.
"""
