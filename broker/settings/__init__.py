"""Settings: what an operator may choose, typed and frozen.

``model`` is all settings in one, each with its default, its limits and its meaning; the sections of the file are
modules of their own: ``amqp``, ``auth`` with ``oauth2`` and ``auth_http``, ``listeners`` with ``tls``, and so on.
``keys`` is the same as a flat list; ``load`` puts defaults, file, environment and flags on top of each other;
``together`` finds settings that contradict each other; ``sample`` writes the documented file that
``config/ponymq.toml`` is, ``effective`` what holds in one process; ``exposure`` refuses a network to a broker that only
``guest`` guards. A wrong key or value stops the start with one line: where it stands, the key, the value, and what was
expected.

Only the server and the commands read settings; the other rooms are handed numbers (design: values, not settings).

Decided here: one model, and everything else derived from it. The file, the environment names and ``--set`` are walked
from the same structs, so a setting cannot exist in one place and be missing in another. An unknown ``PONYMQ_*``
variable is refused like an unknown key in the file, because a misspelt limit that is silently ignored is found during
the incident it was meant to prevent.
"""
