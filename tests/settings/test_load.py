"""Four sources on top of each other, and the one line that a wrong key or value stops the start with."""

import re
from pathlib import Path

import pytest
from msgspec.inspect import IntType

from broker.settings.keys import SETTINGS
from broker.settings.listeners import ListenerSettings
from broker.settings.load import SettingsError, load_settings
from broker.settings.model import OFF, Settings
from broker.settings.oauth2 import ScopeAliasSettings, TokenKeySettings
from broker.settings.tls import HostSettings, TlsSettings


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "ponymq.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def refusal(config_path: str | None = None, environ: dict[str, str] | None = None, **flags: object) -> str:
    with pytest.raises(SettingsError) as caught:
        load_settings(config_path, environ or {}, flags)
    text = str(caught.value)
    assert text.isprintable(), "a refusal is one line"
    return text


def test_no_source_at_all_gives_the_defaults() -> None:
    assert load_settings(None, {}, {}) == Settings()


def test_the_later_source_wins(tmp_path: Path) -> None:
    path = written(tmp_path, "port = 1001\nhttp_port = 1002\nmetrics_port = 1003\n[log]\nlevel = 'error'\n")
    environ = {"PONYMQ_HTTP_PORT": "2002", "PONYMQ_METRICS_PORT": "2003", "PONYMQ_LOG_LEVEL": "warning"}
    settings = load_settings(path, environ, {"metrics_port": "3003", "log.level": "debug", "bind": None})
    assert (settings.port, settings.http_port, settings.metrics_port) == (1001, 2002, 3003)
    assert settings.log.level == "debug"
    assert settings.bind == Settings().bind


def test_the_environment_may_name_the_file_and_the_flag_names_another(tmp_path: Path) -> None:
    path = written(tmp_path, "port = 1001")
    assert load_settings(None, {"PONYMQ_CONFIG": path}, {}).port == 1001
    assert load_settings(path, {"PONYMQ_CONFIG": "/nowhere/at/all"}, {}).port == 1001


MORE_LISTS = {
    "auth.backends": ("internal,http", ("internal", "http")),
    "auth.oauth2.algorithms": ("RS256, HS256", ("RS256", "HS256")),
}


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_is_reached_from_the_environment_by_its_name(key: str) -> None:
    setting = SETTINGS[key]
    default = setting.default
    text: str
    value: object
    if isinstance(default, bool):
        text, value = ("false", False) if default else ("true", True)
    elif key == "auth.oauth2.keys":
        text, value = "[{kid = 'k', file = 'f'}]", (TokenKeySettings("k", "f"),)
    elif key == "auth.oauth2.scope_aliases":
        text, value = "[{alias = 'a', scopes = ['b']}]", (ScopeAliasSettings("a", ("b",)),)
    elif setting.items:
        text, value = "[{port = 5671}]", (ListenerSettings(port=5671),)
    elif isinstance(default, int | float):
        is_highest = isinstance(setting.kind, IntType) and default == setting.kind.le
        value = default - 1 if is_highest else default + 1
        text = str(value)
    elif isinstance(default, tuple):
        text, value = MORE_LISTS.get(key, ("ann, bob", ("ann", "bob")))
    else:
        choices = {"log.level": "error", "log.format": "json", "amqp.version": "3.10.8"}
        choices["management.rates_mode"] = "none"
        choices["auth.new_passwords"] = "rabbit_password_hashing_sha256"
        choices["auth.http.method"] = "post"
        text = value = "keep" if key.startswith("interceptors.") else choices.get(key, "other")
    settings = load_settings(None, {setting.environment_name: text}, {})
    found: object = settings
    for part in key.split("."):
        found = getattr(found, part)
    assert found == value


def test_a_wrong_value_in_the_file_names_file_key_value_and_what_was_expected(tmp_path: Path) -> None:
    path = written(tmp_path, "[amqp]\nchannel_max = 70000\n")
    assert refusal(path) == f"{path}: amqp.channel_max = 70000: expected a whole number from 1 to 65535"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = '5672'", "port = '5672': expected a whole number from 0 to 65535"),
        ("port = true", "port = True: expected a whole number"),
        ("port = 1.5", "port = 1.5: expected a whole number"),
        ("uvloop = 'yes'", "uvloop = 'yes': expected true or false"),
        ("http_port = -1", 'http_port = -1: expected a whole number from 0 to 65535, or "off"'),
        ("shutdown_grace_s = nan", "shutdown_grace_s = nan: expected a number from 0 to 3600"),
        ("loopback_users = ['a', 3]", "loopback_users = a list: expected a list of names"),
        ("data_dir = ''", "data_dir = '': expected a text that is not empty"),
        ("[log]\nlevel = 'loud'", "log.level = 'loud': expected one of debug, info, warning, error"),
        ("[log]\nlevle = 'info'", "log.levle = 'info': there is no such setting; did you mean log.level?"),
        ("log = 3", "log = 3: there is no such setting"),
        ("[store]\nsegment_bytes = '64 parsecs'", "store.segment_bytes = '64 parsecs': expected a whole number"),
        ("[nothing]", "nothing = a dict: there is no such setting"),
        ("port = [[", "is not TOML"),
    ],
)
def test_the_file_is_refused_with_the_reason(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    assert refusal(path).startswith(f"{path}: {message}")


def test_a_file_that_is_not_there_or_not_utf8_is_refused(tmp_path: Path) -> None:
    assert "cannot be read: No such file" in refusal(str(tmp_path / "absent.toml"))
    (tmp_path / "latin.toml").write_bytes(b"data_dir = '\xe9'")
    assert "is not TOML" in refusal(str(tmp_path / "latin.toml"))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("PONYMQ_PORT", "many", "environment: PONYMQ_PORT = 'many': expected a whole number from 0 to 65535"),
        ("PONYMQ_PORT", "\u0665", "environment: PONYMQ_PORT = '\u0665': expected a whole number"),
        ("PONYMQ_PORT", "off", 'settings: port = "off": expected a port, because listeners.amqp has none either'),
        ("PONYMQ_SHUTDOWN_GRACE_S", "inf", "environment: PONYMQ_SHUTDOWN_GRACE_S = 'inf': expected a number"),
        ("PONYMQ_UVLOOP", "perhaps", "environment: PONYMQ_UVLOOP = 'perhaps': expected true or false"),
        (
            "PONYMQ_PROT",
            "5672",
            "environment: PONYMQ_PROT = '5672': there is no such setting; did you mean PONYMQ_PORT?",
        ),
    ],
)
def test_the_environment_is_refused_with_the_reason(name: str, text: str, message: str) -> None:
    assert refusal(environ={name: text}).startswith(message)


def test_addresses_that_kubernetes_puts_into_the_environment_are_no_settings() -> None:
    environ = {
        "PONYMQ_SERVICE_HOST": "10.0.0.7",
        "PONYMQ_SERVICE_PORT_AMQP": "5672",
        "PONYMQ_PORT": "tcp://10.0.0.7:5672",
        "PONYMQ_PORT_5672_TCP_ADDR": "10.0.0.7",
    }
    assert load_settings(None, environ, {}) == Settings()


def test_a_port_is_switched_off_with_the_same_word_everywhere(tmp_path: Path) -> None:
    assert load_settings(written(tmp_path, "http_port = 'off'"), {}, {}).http_port == OFF
    assert load_settings(None, {"PONYMQ_METRICS_PORT": "off"}, {}).metrics_port == OFF
    assert load_settings(None, {}, {"http_port": "OFF"}).http_port == OFF


@pytest.mark.parametrize(("text", "size"), [("65536", 65_536), ("1MiB", 2**20), ("1MB", 10**6), ("100k", 100_000)])
def test_sizes_are_read_with_their_units(tmp_path: Path, text: str, size: int) -> None:
    assert load_settings(None, {"PONYMQ_STORE_SEGMENT_BYTES": text}, {}).store.segment_bytes == size
    assert load_settings(written(tmp_path, f"store.segment_bytes = '{text}'"), {}, {}).store.segment_bytes == size


def test_an_unknown_flag_is_refused() -> None:
    assert refusal(prot="1") == "command line: prot = '1': there is no such setting; did you mean port?"


def test_two_ports_may_not_be_the_same_but_both_may_be_free_or_off() -> None:
    assert refusal(http_port="5672") == "settings: http_port = 5672: expected another port than port, which has it too"
    assert load_settings(None, {}, {"port": "0", "http_port": "0"}).http_port == 0
    assert load_settings(None, {}, {"http_port": "off", "metrics_port": "off"}).metrics_port == OFF


def test_the_log_must_hold_two_segments() -> None:
    text = refusal(environ={"PONYMQ_STORE_LOG_BYTES": "60MiB"})
    assert text.startswith("settings: store.log_bytes = 62914560: expected at least two segments")


def test_a_password_never_stands_in_a_refusal(tmp_path: Path) -> None:
    long = "s3cret" * 200
    texts = [
        refusal(environ={"PONYMQ_DEFAULT_PASS": long}),
        refusal(written(tmp_path, f"default_pass = ['{long}']")),
        refusal(written(tmp_path, f"default_password = '{long}'")),
        refusal(written(tmp_path, f"[users]\nguest.password = '{long}'")),
        refusal(written(tmp_path, f"users = [{{ name = '{long}' }}]")),
        refusal(environ={"PONYMQ_DEFAULT_PASSWORD": long}),
        refusal(default_pass=long),
    ]
    assert [text for text in texts if "s3cret" in text] == []


def test_the_first_password_may_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("correct horse\n", encoding="utf-8")
    assert load_settings(None, {"PONYMQ_DEFAULT_PASS_FILE": str(path)}, {}).default_pass == "correct horse"  # noqa: S105
    assert "PONYMQ_DEFAULT_PASS_FILE" in refusal(environ={"PONYMQ_DEFAULT_PASS_FILE": str(tmp_path / "absent")})


def test_rabbitmqs_variables_stand_below_the_file(tmp_path: Path) -> None:
    environ = {"RABBITMQ_DEFAULT_USER": "rabbit", "RABBITMQ_DEFAULT_VHOST": "warren"}
    settings = load_settings(written(tmp_path, "default_user = 'pony'"), environ, {})
    assert (settings.default_user, settings.default_vhost) == ("pony", "warren")


def test_a_line_break_in_a_key_or_value_does_not_make_a_second_line(tmp_path: Path) -> None:
    assert re.search(r"\\n", refusal(written(tmp_path, '"a\\nb" = 1')))
    assert re.search(r"\\n", refusal(environ={"PONYMQ_BIND_TO": "a\nb"}))


LISTENERS = """
[[listeners.amqp]]
port = 5671
tls.certificate = "/etc/server.pem"
tls.versions = ["1.3"]
tls.client_certificate = "required"
tls.authorities = "/etc/clients.pem"
tls.login_from = "common_name"
tls.hosts = [{ name = "*.example.org", certificate = "/etc/other.pem" }]

[[listeners.amqp]]
bind = "::1"
port = 5671
proxy_protocol = true

[[listeners.http]]
port = 15671
[listeners.http.tls]
certificate = "/etc/server.pem"
"""


def test_listeners_are_tables_of_the_file(tmp_path: Path) -> None:
    settings = load_settings(written(tmp_path, LISTENERS), {}, {"port": "off"})
    secured, proxied = settings.listeners.amqp
    assert secured.tls == TlsSettings(
        certificate="/etc/server.pem",
        versions=("1.3",),
        client_certificate="required",
        authorities="/etc/clients.pem",
        login_from="common_name",
        hosts=(HostSettings(name="*.example.org", certificate="/etc/other.pem"),),
    )
    assert proxied == ListenerSettings(port=5671, bind="::1", proxy_protocol=True)
    assert settings.listeners.http == (ListenerSettings(port=15671, tls=TlsSettings(certificate="/etc/server.pem")),)
    assert settings.port == OFF


def test_listeners_may_be_given_as_one_toml_value_in_the_environment_and_as_a_flag() -> None:
    text = '[{port = 5671, tls.certificate = "a.pem"}]'
    expected = (ListenerSettings(port=5671, tls=TlsSettings(certificate="a.pem")),)
    assert load_settings(None, {"PONYMQ_LISTENERS_AMQP": text}, {}).listeners.amqp == expected
    assert load_settings(None, {}, {"listeners.metrics": text}).listeners.metrics == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 70000", "listeners.amqp[0].port = 70000: expected a whole number from 0 to 65535"),
        ("port = 'off'", "listeners.amqp[0].port = 'off': expected a whole number from 0 to 65535"),
        ("prot = 5671", "listeners.amqp[0].prot = 5671: expected one of the keys port, bind, proxy_protocol, tls."),
        ("tls.cert = 'a'", "listeners.amqp[0].tls.cert = 'a': expected one of the keys port"),
        ("tls = 3", "listeners.amqp[0].tls = 3: expected one of the keys port"),
        ("tls.versions = ['1.1']", "listeners.amqp[0].tls.versions = a list: expected a list of any of 1.2, 1.3"),
        ("tls.versions = []", "listeners.amqp[0].tls.versions = a list: expected a list of any of 1.2, 1.3"),
        ("tls.hosts = [{ nam = 'x' }]", "listeners.amqp[0].tls.hosts[0].nam = 'x': expected one of the keys name"),
        ("tls.key_password = 's3cret'", "listeners.amqp[0].tls.key_password = (hidden): expected one of the keys"),
    ],
)
def test_a_wrong_value_of_a_listener_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, f"[[listeners.amqp]]\n{text}\n")
    assert refusal(path).startswith(f"{path}: {message}")


@pytest.mark.parametrize("text", ["5671", "[5671]", "[{port = 5671}", "]\nport = 1"])
def test_a_text_that_is_no_list_of_tables_is_refused(text: str) -> None:
    said = refusal(environ={"PONYMQ_LISTENERS_AMQP": text})
    assert said.startswith("environment: PONYMQ_LISTENERS_AMQP = ")
    assert "expected a list of tables with any of port, bind, proxy_protocol, tls.certificate" in said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("port = 5672", "listeners.amqp[0].port = 5672: expected another port than port, which has it too"),
        ("tls.key = 'k'", 'listeners.amqp[0].tls.certificate = "": expected a file, because other keys'),
        (
            "tls = {certificate = 'c', client_certificate = 'optional'}",
            "listeners.amqp[0].tls.authorities = \"\": expected a file, because client_certificate is 'optional'",
        ),
        (
            "tls = {certificate = 'c', login_from = 'common_name'}",
            "listeners.amqp[0].tls.client_certificate = 'none': expected optional or required, because login_from",
        ),
        (
            "tls = {certificate = 'c', crl_file = 'l'}",
            "listeners.amqp[0].tls.client_certificate = 'none': expected optional or required, because there is a crl",
        ),
        (
            "tls = {certificate = 'c', hosts = [{name = 'a.*', certificate = 'c'}]}",
            "listeners.amqp[0].tls.hosts[0].name = 'a.*': expected a name such as",
        ),
    ],
)
def test_settings_of_a_listener_that_contradict_each_other_are_refused(text: str, message: str) -> None:
    assert refusal(environ={"PONYMQ_LISTENERS_AMQP": f"[{{{text}}}]"}).startswith(f"settings: {message}")


def test_rabbitmqs_name_of_the_definitions_file_is_understood_everywhere(tmp_path: Path) -> None:
    path = written(tmp_path, "load_definitions = '/etc/d.json'\n")
    assert load_settings(path, {}, {}).definitions.file == "/etc/d.json"
    assert load_settings(path, {"PONYMQ_LOAD_DEFINITIONS": "/e.json"}, {}).definitions.file == "/e.json"
    assert load_settings(path, {}, {"load_definitions": "/f.json"}).definitions.file == "/f.json"
    assert load_settings(path, {"PONYMQ_DEFINITIONS_FILE": "/g.json"}, {}).definitions.file == "/g.json"


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"BACKENDS": "internal,internal"}, "auth.backends = internal, internal: expected each backend once"),
        ({"BACKENDS": "oauth2"}, 'auth.oauth2.resource_server_id = "": expected a name, because auth.backends has'),
        (
            {"BACKENDS": "internal,oauth2", "OAUTH2_RESOURCE_SERVER_ID": "mq"},
            'auth.oauth2.jwks_file = "": expected a file, or keys in auth.oauth2.keys',
        ),
        (
            {"BACKENDS": "oauth2", "OAUTH2_RESOURCE_SERVER_ID": "mq", "OAUTH2_KEYS": "[{kid = 'a'}]"},
            'auth.oauth2.keys[0].file = "": expected a file',
        ),
        (
            {
                "BACKENDS": "oauth2",
                "OAUTH2_RESOURCE_SERVER_ID": "mq",
                "OAUTH2_KEYS": "[{kid = 'a', file = 'f'}, {kid = 'a', file = 'g'}]",
            },
            "auth.oauth2.keys: expected another kid for each key",
        ),
        ({"BACKENDS": "http", "HTTP_TOPIC_PATH": "ftp://x"}, "auth.http.topic_path = 'ftp://x': expected a URL"),
    ],
)
def test_backends_that_lack_something_are_refused(environ: dict[str, str], message: str) -> None:
    said = refusal(environ={f"PONYMQ_AUTH_{name}": text for name, text in environ.items()})
    assert said.startswith(f"settings: {message}")


def test_an_unknown_backend_is_refused_with_those_there_are() -> None:
    said = refusal(environ={"PONYMQ_AUTH_BACKENDS": "internal,ldap"})
    assert said.endswith("expected a list of any of http, internal, oauth2")
