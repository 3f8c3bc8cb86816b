"""The settings of a process as text."""

from broker.settings.effective import effective_text
from broker.settings.load import load_settings


def test_every_setting_has_a_line_and_no_password_is_in_it() -> None:
    flags = {"default_pass": "hush", "listeners.amqp": [{"port": 5671, "tls": {"certificate": "a.pem"}}]}
    lines = effective_text(load_settings(None, {}, flags)).splitlines()
    assert "port = 5672" in lines
    assert 'log.level = "info"' in lines
    assert 'loopback_users = ["guest"]' in lines
    assert "default_pass = (hidden)" in lines
    assert "listeners.amqp[0].port = 5671" in lines
    assert 'listeners.amqp[0].tls.certificate = "a.pem"' in lines
    assert "listeners.http = []" in lines
    assert not any("hush" in line for line in lines)
