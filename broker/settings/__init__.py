"""Settings: what an operator may choose, typed and frozen.

``model`` names every setting with its default, its limits and its meaning; ``load`` puts defaults, file, environment
and flags on top of each other; ``together`` finds settings that contradict each other; ``sample`` writes the documented
file that ``config/ponymq.toml`` is. A wrong key or value stops the start with one line: where it stands, the key, the
value, and what was expected.

Only the server and the commands read settings; the other rooms are handed numbers (design: values, not settings).

Decided here: one model, and everything else derived from it. The file, the environment names and ``--set`` are walked
from the same structs, so a setting cannot exist in one place and be missing in another. An unknown ``PONYMQ_*``
variable is refused like an unknown key in the file, because a misspelt limit that is silently ignored is found during
the incident it was meant to prevent.
"""
