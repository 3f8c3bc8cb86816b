"""The key by which duplicates of a message are known: the header of RabbitMQ's message deduplication plugin."""

import hashlib
from typing import Final

from broker.core.arguments import canonical_value
from broker.wire.properties import header_field

DEDUPLICATION_HEADER: Final = b"x-deduplication-header"
# A client chooses how long its values are; what is remembered of each is this long.
KEY_BYTES: Final = 16


def deduplication_key(header: bytes) -> bytes:
    """A digest of the header's value, equal for equal values; empty if the message has none, and is no duplicate.

    Raises:
        HardError: 501, the headers cannot be decoded.
    """
    field = header_field(header, DEDUPLICATION_HEADER)
    if field is None:
        return b""
    return hashlib.blake2b(canonical_value(field), digest_size=KEY_BYTES).digest()
