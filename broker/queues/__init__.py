"""Queues: what is ready, what is unacked, who consumes, and what becomes of a message that nobody may have.

Promises: first deliveries in publish order within a priority; a returned message goes back to its place, ahead of
everything never delivered; a queue that uses no TTL, limit or priority pays one test for all of them.
A stream keeps what comes in; each of its readers gets what is synced, in order, from the place that it asked for.
AMQP 0-9-1 §1.7, §3.1; RabbitMQ's TTL, length limits, dead-lettering, priorities, streams.

It does not route (a dead letter is left on the agenda for the vhost) and does not know a channel: ``Consumer`` is the
base class that ``broker.protocol`` fills in. Time is the turn's, read once per chunk of input.

Decided here: work is put on the agenda and done once per turn, after the whole chunk was read, so that a thousand
publishes cause one round of deliveries. What nobody stores goes to a consumer with room at once; messages that are
alike but for their bodies (a ``run``) come and go as a list of bodies until somebody wants one of them by itself.
"""
