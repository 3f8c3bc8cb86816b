"""Definitions: the topology between memory and the store's journal.

Durable exchanges, queues and bindings, policies and limits, vhosts, users and permissions as records that are written
when they change and read back at the start. ``stop_index`` is no record: where every message was
at a clean stop, so that the next start need not read them.

Decided here: records are MessagePack, with arguments as the octets of an AMQP field table inside, because JSON has
neither octets nor the type letters that a redeclare is compared by.
"""
