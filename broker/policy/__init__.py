"""Policies and limits: what an operator decides about queues, exchanges, vhosts and users, beside what clients declare.

A policy gives everything whose name matches a pattern further arguments, at any time; an operator policy is one that
users cannot loosen. This room says which policy applies to a name and what comes out of it. RabbitMQ's policies,
operator policies and limits; and its parameters, which are kept for tools and mean nothing here.

It changes no queue and keeps nothing on disk: ``broker.vhost`` applies what it says, ``broker.definitions`` writes it
down.

Decided here: what a policy says is a table of arguments, like those of a declare, so that a queue has one way to be
told its limits; patterns are looked at when something is declared or a policy changes, never for a message.
"""
