"""Auth: who may come in, and what they may do.

Users with their password hashes and permissions; SASL responses; what a client's certificate says; the checking of a
password. Decisions only: no sockets, no frames, nothing stored. A check takes tens of milliseconds on purpose, so it is
data (``PasswordCheck``) that somebody with a thread to spare runs; this room knows neither threads nor an event loop.

Others may vouch for users: an authority that signs tokens (``tokens``, ``jwt_verifier``), or a service that is asked
(``remote``). What such a user may do is known for one connection, and a question is data too.

Decided here: argon2id with 19 MiB and two passes for new passwords, 43 ms of one core (OWASP's choice; RFC 9106's
64 MiB for each of a few workers would be more than the idle broker has). The rights of a user in a vhost are one object
that all of the user's connections share and that is changed in place, so that a change is seen at once.
"""
