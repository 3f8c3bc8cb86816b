"""Cli: the two commands, ``ponymq`` (the broker) and ``ponymqctl`` (its control command). Never compiled.

They turn words into settings or requests and say what came of it: data on standard output, everything else on
standard error, and an exit code that a script can use. ``ponymqctl`` asks a broker by ``remote``, over its HTTP API or
local socket; each ``_commands`` module has the words of one noun.
"""
