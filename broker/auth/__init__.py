"""Auth: who may come in.

Users, their password hashes, and the SASL responses that carry credentials. Decisions only: no sockets, no frames,
nothing stored.
"""
