"""Protocol: the connection and channel machines. Octets in, outbox out.

The handshake, channels, content assembly, every method of AMQP 0-9-1 as RabbitMQ speaks it, errors turned into close
methods (§1.4 to §1.9, §2.2, §4.2). Fed with chunks by ``broker.net``; it knows no socket and no event loop, and gets
time through ``Connection.tick``.

Decided here: states are integers with a table of the methods each admits, beside each other in ``states``; publish, ack
and body frames are handled in the frame loop itself, everything else through ``dispatch``; a delivery that is out is
found by its tag in pages of 256, because a dictionary of tags cost 50 ns per message more, and those of a page that are
alike are a list of bodies; a publish with the octets of the last two (``pattern``) is taken by one comparison, and
those that follow one another in a chunk go on together.
"""
