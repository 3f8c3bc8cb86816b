"""Every setting: its name, its default, its limits and its meaning; here those of no section.

The units are in the names: ``_s`` seconds, ``_bytes`` octets. ``config/ponymq.toml`` is written from these structs.
"""

from typing import Annotated, Final

from msgspec import Struct

from broker.settings.amqp import AmqpSettings
from broker.settings.auth import AuthSettings
from broker.settings.definitions import DefinitionsSettings
from broker.settings.http import HttpSettings
from broker.settings.interceptors import InterceptorSettings
from broker.settings.limits import LimitSettings
from broker.settings.listeners import ListenersSettings
from broker.settings.log import LogSettings
from broker.settings.management import ManagementSettings
from broker.settings.meaning import between, means
from broker.settings.store import StoreSettings

OFF: Final = -1
"""The value of a port that is not to be opened; written ``"off"`` in the file, the environment and the flags."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of one broker process. Immutable: a change means a restart."""

    data_dir: Annotated[
        str, means("Where queues and their messages are kept. One process at a time.", min_length=1)
    ] = "./data"
    bind: Annotated[
        str, means("The address that ports listen on; 0.0.0.0 or :: for all of the machine's addresses.", min_length=1)
    ] = "127.0.0.1"
    port: Annotated[
        int, between(OFF, 65535, 'AMQP without TLS. 0 for any free port, "off" if listeners.amqp has another.')
    ] = 5672
    http_port: Annotated[int, between(OFF, 65535, 'HTTP API. 0 for any free port, "off" for none.')] = 15672
    metrics_port: Annotated[int, between(OFF, 65535, 'Prometheus metrics. 0 for any free port, "off" for none.')] = (
        15692
    )
    default_user: Annotated[
        str, means("The administrator that the first start makes. Not read later.", min_length=1, max_length=255)
    ] = "guest"
    default_pass: Annotated[str, means("That user's first password.", min_length=1, max_length=1024)] = "guest"  # noqa: S105 - RabbitMQ's default, usable from loopback only
    default_vhost: Annotated[str, means("The vhost that the first start makes.", min_length=1, max_length=255)] = "/"
    loopback_users: Annotated[tuple[str, ...], means("Users that may log in from this machine only.")] = ("guest",)
    allow_only_guest: Annotated[bool, means("Listen beyond this machine although guest is the only user.")] = False
    cluster_name: Annotated[
        str, means("Named to clients and in the HTTP API; empty for ponymq@<host name>.", max_length=255)
    ] = ""
    shutdown_grace_s: Annotated[
        float, between(0, 3600, "How long a stop waits for clients to answer before it hangs up.")
    ] = 2.0
    uvloop: Annotated[bool, means("Run on uvloop; false for asyncio's own loop, which is slower.")] = True
    log: LogSettings = LogSettings()
    listeners: ListenersSettings = ListenersSettings()
    amqp: AmqpSettings = AmqpSettings()
    http: HttpSettings = HttpSettings()
    management: ManagementSettings = ManagementSettings()
    auth: AuthSettings = AuthSettings()
    definitions: DefinitionsSettings = DefinitionsSettings()
    limits: LimitSettings = LimitSettings()
    interceptors: InterceptorSettings = InterceptorSettings()
    store: StoreSettings = StoreSettings()
