"""Records of vhosts, users and permissions in a dump. Password hashes are left out."""

from typing import Final, get_args

import msgspec

from broker.cli.peer_text import quoted
from broker.definitions.access_records import AccessRecord
from broker.metrics.text import shown

KINDS: Final = tuple(str(kind.__struct_config__.tag) for kind in get_args(AccessRecord))
HIDDEN: Final = "hash_value"


def access_words(record: AccessRecord) -> tuple[list[str], dict[str, object]]:
    """The line and the object of such a record, but for its beginning."""
    words: list[str] = []
    facts: dict[str, object] = {}
    for name, value in msgspec.structs.asdict(record).items():
        if name == HIDDEN:
            continue
        facts[name] = shown(value) if isinstance(value, bytes) else value
        text = value if isinstance(value, bytes) else str(value).encode()
        words.append(f"{name.replace('_', ' ')} {quoted(text)}")
    return words, facts
