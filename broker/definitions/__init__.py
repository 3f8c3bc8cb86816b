"""Definitions: the topology between memory and the store's journal.

Durable exchanges, queues and bindings, policies, limits and parameters, vhosts, users and permissions as records that
are written when they change and read back at the start. ``stop_index`` is no record: where every message was at a clean
stop, so that the next start need not read them. Documents in RabbitMQ's JSON are ``broker.management``'s: to import one
is to change users and open connections, which this room does not know.

Decided here: records are MessagePack, with arguments as the octets of an AMQP field table inside, because JSON has
neither octets nor the type letters that a redeclare is compared by.
"""
