"""Where a binding may point: a queue or an exchange. The base lives low so that routing need not know queues."""

from typing import Final

from mypy_extensions import mypyc_attr


@mypyc_attr(native_class=True)
class Destination:
    """Something with a name that messages can be routed to.

    Attributes:
        name: The octets of its AMQP name.
        vhost_name: The vhost it belongs to.
        is_exchange: Tells an exchange from a queue; the two have separate namespaces.
        is_durable: Survives a restart.
        is_deleted: Set once, when it has been taken out of its vhost; routes that still name it skip it.
    """

    def __init__(self, name: bytes, vhost_name: str, is_exchange: bool, is_durable: bool) -> None:
        self.name: Final = name
        self.vhost_name: Final = vhost_name
        self.is_exchange: Final = is_exchange
        self.is_durable: Final = is_durable
        self.is_deleted: bool = False

    def __str__(self) -> str:
        """As reply texts name it: ``queue 'q' in vhost '/'``."""
        return resource_text("exchange" if self.is_exchange else "queue", self.name, self.vhost_name)


def resource_text(kind: str, name: bytes, vhost_name: str) -> str:
    """How RabbitMQ prints a resource in a reply text: kind, quoted name, quoted vhost."""
    return f"{kind} '{name.decode('utf-8', 'replace')}' in vhost '{vhost_name}'"
