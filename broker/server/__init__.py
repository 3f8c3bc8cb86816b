"""Server: one broker process, from the settings to the last goodbye.

Builds every room once and connects them; start and stop in order, timers, syncs, signals, the log, and what
the service manager is told. The only room that reads the settings. It has no rules of AMQP: those are lower.
"""
