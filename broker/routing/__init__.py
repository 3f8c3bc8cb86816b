"""Routing: exchanges and bindings; from an exchange, a routing key and headers to the queues that get the message.

Knows no queue beyond ``Destination``, no permission and no frame. The vhost owns the names: it looks exchanges up for
the walk, decides who may bind what, and keeps the cache of whole routes that it drops when a binding changes.

AMQP 0-9-1 §3.1, and RabbitMQ's exchange-to-exchange bindings, alternate exchanges, headers matching, and the exchange
types of its plugins.

Decided here:
- A topic key is matched by a walk over the set of live trie nodes, never by backtracking: a peer chooses both key and
  patterns, and with many ``#`` backtracking is exponential. Wildcard runs are stored in one normal form (all ``*``,
  then one ``#``), so equal patterns share a node and ``#.#`` costs what ``#`` costs.
- Bindings are identified by the canonical octets of their arguments, so the ten-thousandth binding of one queue to a
  headers exchange costs what the first did.
- A headers exchange is indexed by header value instead of scanned.
- A consistent hash exchange draws lots between its destinations (``consistent_hash``) and keeps no ring of points: a
  weight is a client's choice, and must not cost memory.
"""
