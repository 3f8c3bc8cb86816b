"""Wire: octets to frames and back.

Frame and method numbers, a reader for method arguments, the content header scanner, field tables, and the outbox in
which a connection collects what it will write. AMQP 0-9-1 §4.2. A ``stencil`` has what all deliveries to one consumer
have in common. Also the PROXY header, which may come before them. Knows no state: whether a frame is welcome is
``broker.protocol``'s affair.

Decided here: fields are read with ``librt`` at an offset and never sliced out one by one; a content header stays the
octets that arrived. pamqp was measured and left to the tests as the referee of our codecs: it loses the type letters of
table values, which RabbitMQ's error texts print and clients expect back, and has no limit on nesting.
"""
