"""Benchmarks: the same load on PonyMQ compiled, PonyMQ interpreted, RabbitMQ and LavinMQ, side by side.

A neutral load generator: it knows the protocol and nothing of any broker. Its own cost is kept far below any broker's,
because frames are encoded once and replies are counted by their length; each role (publisher, consumer) is a process of
its own. What the broker spends is read from /proc, never asked of it.

It promises that a run ends: every round is a process with a time limit, and a round that hangs or fails is reported as
failed. It does not judge: targets and conclusions belong to whoever reads the table.

Chosen: rounds of the brokers interleaved, so that a slow minute of the machine hits all alike; rejected: one broker
after the other, whose ratios moved by a third between two runs on a shared machine.
"""
