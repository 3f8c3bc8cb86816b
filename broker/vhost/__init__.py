"""Vhost: one namespace of exchanges, queues and bindings, and what a turn of the broker does with them.

Declare, bind, delete and publish with RabbitMQ's rules and texts (AMQP 0-9-1 §1.6 to §1.8), dead letters, the ledger of
publisher confirms, and the turn itself: deliveries, one write to the commit log, confirms, one write per connection.

It does not know a frame beyond the outbox. What a user may do is ``broker.auth``'s to say; here it is asked where the
order of refusals matters: in declares, and in the route of a publish.

Decided here: routes are cached under the octets of the whole ``basic.publish`` method, 7 ns to look up, and the cache
is dropped whole when anything is declared, bound or deleted; a confirm leaves when a sync that began after its batch
was written has returned.
"""
