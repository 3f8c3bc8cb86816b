"""Auth: who may come in.

Users, their password hashes, the SASL responses that carry credentials, and what a client's certificate says.
Decisions only: no sockets, no frames, nothing stored.
"""
