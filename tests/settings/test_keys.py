"""The flat list of settings: names, texts, sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.settings.keys import SETTINGS, size_in_bytes


def test_no_two_settings_share_an_environment_name() -> None:
    names = [setting.environment_name for setting in SETTINGS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", SETTINGS)
def test_every_default_is_what_its_own_setting_expects(key: str) -> None:
    setting = SETTINGS[key]
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    read = setting.read(default)
    assert (tuple(read) if isinstance(read, list) else read) == setting.default


@pytest.mark.parametrize("key", SETTINGS)
def test_every_setting_says_what_it_means_and_what_it_expects(key: str) -> None:
    assert SETTINGS[key].meaning.endswith(".")
    assert SETTINGS[key].expected


@given(text=st.text(max_size=20))
def test_reading_any_text_gives_a_value_or_a_refusal_and_nothing_else(text: str) -> None:
    for setting in SETTINGS.values():
        try:
            value = setting.read_text(text)
        except ValueError:
            continue
        assert type(value) is (list if setting.items else type(setting.default))


@given(number=st.integers(0, 10**9), unit=st.sampled_from(["", "B", "k", "kB", "MB", "g", "TB"]))
def test_plain_units_are_powers_of_a_thousand(number: int, unit: str) -> None:
    power = {"": 0, "b": 0, "k": 1, "m": 2, "g": 3, "t": 4}[unit[:1].lower()]
    assert size_in_bytes(f"{number}{unit}") == number * 1000**power


@given(number=st.integers(0, 10**9), unit=st.sampled_from(["ki", "KiB", "MIB", "Gi", "tib"]))
def test_units_with_an_i_are_powers_of_1024(number: int, unit: str) -> None:
    assert size_in_bytes(f"{number}{unit}") == number * 1024 ** ("kmgt".index(unit[0].lower()) + 1)


@pytest.mark.parametrize("text", ["", "MiB", "-1", "1.5MB", "1 2", "\u0661k", "1PB", "1i", "1MiBB"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the text is for the caller to write
        size_in_bytes(text)
