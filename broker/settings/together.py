"""What single values cannot say: settings that contradict each other."""

from collections.abc import Iterator

from broker.settings.auth import AuthSettings
from broker.settings.listeners import ListenerSettings
from broker.settings.model import OFF, Settings
from broker.settings.tls import HostSettings, TlsSettings


def contradiction(settings: Settings) -> str | None:
    """What is wrong with ``settings`` as a whole, in one line; None if they can be used."""
    return _ports(settings) or _listeners(settings) or _backends(settings.auth) or _store(settings)


def listeners_of(settings: Settings) -> Iterator[tuple[str, ListenerSettings]]:
    """Every further listener, with the name it has in messages: ``listeners.amqp[0]``."""
    groups = (("amqp", settings.listeners.amqp), ("http", settings.listeners.http))
    for group, listeners in (*groups, ("metrics", settings.listeners.metrics)):
        for number, listener in enumerate(listeners):
            yield f"listeners.{group}[{number}]", listener


def _ports(settings: Settings) -> str | None:
    if settings.port == OFF and not settings.listeners.amqp:
        return 'port = "off": expected a port, because listeners.amqp has none either'
    named = [("port", settings.port), ("http_port", settings.http_port), ("metrics_port", settings.metrics_port)]
    ports = [(key, settings.bind, port) for key, port in named]
    ports += [(f"{key}.port", each.bind or settings.bind, each.port) for key, each in listeners_of(settings)]
    taken: dict[tuple[str, int], str] = {}
    for key, bind, port in ports:
        if port > 0 and (bind, port) in taken:
            return f"{key} = {port}: expected another port than {taken[bind, port]}, which has it too"
        taken[bind, port] = key
    return None


def _listeners(settings: Settings) -> str | None:
    for key, listener in listeners_of(settings):
        wrong = _tls(listener.tls)
        if wrong is not None:
            return f"{key}.tls.{wrong}"
    return None


def _tls(tls: TlsSettings) -> str | None:
    if not tls.certificate:
        # Otherwise a misspelt certificate would mean a port in the clear.
        return 'certificate = "": expected a file, because other keys of tls are set' if tls != TlsSettings() else None
    if tls.client_certificate != "none" and not tls.authorities:
        return f'authorities = "": expected a file, because client_certificate is {tls.client_certificate!r}'
    if tls.crl_file and tls.client_certificate == "none":
        return "client_certificate = 'none': expected optional or required, because there is a crl_file"
    if tls.login_from != "off" and tls.client_certificate == "none":
        return f"client_certificate = 'none': expected optional or required, because login_from is {tls.login_from!r}"
    for number, host in enumerate(tls.hosts):
        wrong = _host(host)
        if wrong is not None:
            return f"hosts[{number}].{wrong}"
    return None


def _host(host: HostSettings) -> str | None:
    if not host.certificate:
        return 'certificate = "": expected a file'
    if not host.name or "*" in host.name.removeprefix("*."):
        return f"name = {host.name!r}: expected a name such as mq.example.org or *.example.org"
    return None


def _backends(auth: AuthSettings) -> str | None:
    if len(set(auth.backends)) < len(auth.backends):
        return f"auth.backends = {', '.join(auth.backends)}: expected each backend once"
    return (_oauth2(auth) if "oauth2" in auth.backends else None) or (_http(auth) if "http" in auth.backends else None)


def _oauth2(auth: AuthSettings) -> str | None:
    oauth2 = auth.oauth2
    if not oauth2.resource_server_id:
        return 'auth.oauth2.resource_server_id = "": expected a name, because auth.backends has oauth2'
    if not oauth2.jwks_file and not oauth2.keys:
        return 'auth.oauth2.jwks_file = "": expected a file, or keys in auth.oauth2.keys'
    kids = [key.kid for key in oauth2.keys]
    if len(set(kids)) < len(kids):
        return "auth.oauth2.keys: expected another kid for each key"
    for number, key in enumerate(oauth2.keys):
        if not key.file:
            return f'auth.oauth2.keys[{number}].file = "": expected a file'
    return None


def _http(auth: AuthSettings) -> str | None:
    http = auth.http
    paths = {"user": http.user_path, "vhost": http.vhost_path, "resource": http.resource_path, "topic": http.topic_path}
    for name, url in paths.items():
        if not url.startswith(("http://", "https://")):
            return f"auth.http.{name}_path = {url!r}: expected a URL that begins with http:// or https://"
    return None


def _store(settings: Settings) -> str | None:
    store = settings.store
    if store.log_bytes < 2 * store.segment_bytes:
        return (
            f"store.log_bytes = {store.log_bytes}: expected at least two segments of store.segment_bytes = "
            f"{store.segment_bytes}"
        )
    return None
