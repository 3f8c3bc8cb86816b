"""Conformance: real clients over TCP against PonyMQ, and against RabbitMQ as the referee."""
