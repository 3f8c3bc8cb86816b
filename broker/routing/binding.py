"""A binding, and what it is that makes two of them the same one."""

from typing import Final, final

from mypy_extensions import mypyc_attr

from broker.core.arguments import Table, canonical_table
from broker.core.destination import Destination


@final
@mypyc_attr(native_class=True)
class Binding:
    """One rule of an exchange: messages that match ``key`` or ``arguments`` go to ``destination``. Immutable.

    Attributes:
        source: The exchange.
        destination: The queue or exchange it leads to.
        key: Binding key; part of the identity even where matching ignores it.
        arguments: As the client gave them.
    """

    def __init__(self, source: Destination, destination: Destination, key: bytes, arguments: Table) -> None:
        self.source: Final = source
        self.destination: Final = destination
        self.key: Final = key
        self.arguments: Final = arguments


def binding_identity(key: bytes, arguments: Table) -> bytes:
    """What distinguishes the bindings between one source and one destination: key and argument set, in any order."""
    if not arguments:
        return b"=" + key
    return len(key).to_bytes(4, "big") + key + canonical_table(arguments)
