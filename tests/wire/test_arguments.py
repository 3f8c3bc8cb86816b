"""The argument reader over frames that pamqp made, whole and cut at every octet."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands
from pamqp.base import Frame

from broker.core.arguments import Field, Table
from broker.core.errors import HardError
from broker.wire.arguments import ArgumentReader, is_utf8, octets_text
from broker.wire.octets import longstr, shortstr

SAMPLES: dict[str, object] = {
    "octet": 0x80,
    "short": 0x8000,
    "long": 2**32 - 1,
    "longlong": 2**63 - 1,
    "shortstr": "sch\u00f6n",
    "longstr": "any\u00e9 octets",
    "bit": True,
    "table": {"k": "v", "n": 7},
}
# Fields that pamqp lets through with one value only, and names in which it admits no letters beyond ASCII.
RESERVED: dict[str, object] = {
    "ticket": 0,
    "capabilities": "",
    "known_hosts": "",
    "cluster_id": "",
    "out_of_band": "0",
    "channel_id": "0",
    "insist": False,
    **dict.fromkeys(["exchange", "queue", "destination", "source"], "a name"),
}
TABLE: Table = {b"k": Field("S", b"v"), b"n": Field("b", 7)}


def sample(command: type[Frame]) -> Frame:
    """The method with every field set, so that no octet of it can be taken for another."""
    frame = command.__new__(command)
    for name in command.attributes():
        setattr(frame, name, value_of(command, name))
    return frame


def value_of(command: type[Frame], name: str) -> object:
    return RESERVED.get(name, SAMPLES[command.amqp_type(name)])


def payload(frame: Frame) -> bytes:
    """The payload of a method frame: class, method and arguments."""
    return frame.index.to_bytes(4, "big") + frame.marshal()


def read_all(command: type[Frame], octets: bytes) -> list[object]:
    """Every field in order; neighbouring bits are one octet."""
    reader = ArgumentReader(octets)
    values: list[object] = []
    bits = 0
    for name in command.attributes():
        kind = command.amqp_type(name)
        if kind == "bit":
            bits += 1
            if bits == 1:
                values.append(reader.octet())
            continue
        bits = 0
        values.append(getattr(reader, kind)())
    assert reader.pos == len(octets)
    return values


def expected(command: type[Frame]) -> list[Any]:
    values: list[Any] = []
    bits = 0
    for name in command.attributes():
        kind = command.amqp_type(name)
        if kind == "bit":
            bits += 1
            place = int(bool(value_of(command, name))) << (bits - 1)
            values.append(place | (values.pop() if bits > 1 else 0))
            continue
        bits = 0
        value = value_of(command, name)
        values.append(TABLE if kind == "table" else value.encode() if isinstance(value, str) else value)
    return values


COMMANDS: list[Any] = [commands.INDEX_MAPPING[number] for number in sorted(commands.INDEX_MAPPING)]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_reader_finds_every_field_of_a_method_that_pamqp_encoded(command: type[Frame]) -> None:
    assert read_all(command, payload(sample(command))) == expected(command)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_method_cut_at_any_octet_is_a_frame_error(command: type[Frame]) -> None:
    whole = payload(sample(command))
    for cut in range(4, len(whole)):
        with pytest.raises(HardError) as caught:
            read_all(command, whole[:cut])
        assert caught.value.reply_code == 501, cut


@pytest.mark.parametrize("kind", ["octet", "short", "long", "longlong", "shortstr", "longstr", "table"])
@pytest.mark.parametrize("octets", [b"", b"\x00", b"\x00\x3c\x00", b"\x00\x3c\x00\x28"])
def test_payload_without_arguments_has_nothing_to_read(kind: str, octets: bytes) -> None:
    with pytest.raises(HardError) as caught:
        getattr(ArgumentReader(octets), kind)()
    assert caught.value.reply_text == "FRAME_ERROR - cannot decode <<>>"


def test_refusal_shows_the_arguments_as_numbers() -> None:
    with pytest.raises(HardError) as caught:
        ArgumentReader(b"\x00\x3c\x00\x28\x00\x00\x05abc").longlong()
    assert caught.value.reply_text == "FRAME_ERROR - cannot decode <<0,0,5,97,98,99>>"


def test_octets_behind_the_last_argument_are_a_frame_error() -> None:
    reader = ArgumentReader(b"\x00\x3c\x00\x28\x07\x08")
    reader.octet()
    with pytest.raises(HardError) as caught:
        reader.end()
    assert caught.value.reply_text == "FRAME_ERROR - cannot decode <<7,8>>"
    reader.octet()
    reader.end()


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"", "all octets = <<>>"),
        (b"\x01\x02", "all octets = <<1,2>>"),
        (bytes(range(16)), "all octets = <<0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15>>"),
        (bytes(range(17)), "first 16 octets = <<0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15>>"),
        (b"GET / HTTP/1.1", 'all octets = <<"GET / HTTP/1.1">>'),
    ],
)
def test_frame_errors_show_the_first_sixteen_octets(octets: bytes, text: str) -> None:
    assert octets_text(octets) == text


def test_short_octets_need_not_be_utf8() -> None:
    assert ArgumentReader(bytes(4) + b"\x02\xff\xfe").short_octets() == b"\xff\xfe"


@pytest.mark.parametrize(
    "text",
    [
        b"\x80",
        b"\xff",
        b"ok\xc3",
        b"\xc0\xaf",
        b"\xe2\x82",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
    ],
)
def test_short_string_that_is_not_utf8_is_a_frame_error(text: bytes) -> None:
    with pytest.raises(HardError) as caught:
        ArgumentReader(bytes(4) + shortstr(text)).shortstr()
    assert caught.value.reply_text == "FRAME_ERROR - Malformed UTF-8 in shortstr"


@given(text=st.text(max_size=60))
def test_short_string_of_any_unicode_text_is_read_back(text: str) -> None:
    octets = text.encode()
    reader = ArgumentReader(bytes(4) + shortstr(octets) + b"\xff")
    assert reader.shortstr() == octets
    assert reader.pos == 5 + len(octets)


@given(octets=st.binary(max_size=40))
def test_utf8_is_what_python_can_decode(octets: bytes) -> None:
    assert is_utf8(octets) == (octets.decode("utf-8", "replace").encode() == octets)


@pytest.mark.parametrize("size", [0, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000])
def test_long_string_may_be_any_octets(size: int) -> None:
    octets = b"\xfe" * size
    assert ArgumentReader(bytes(4) + longstr(octets)).longstr() == octets


@pytest.mark.parametrize("size", [2**31 - 1, 2**31, 2**32 - 1])
@pytest.mark.parametrize("kind", ["longstr", "table"])
def test_length_beyond_the_frame_is_refused_whatever_its_sign_bit(kind: str, size: int) -> None:
    with pytest.raises(HardError) as caught:
        getattr(ArgumentReader(bytes(4) + size.to_bytes(4, "big") + b"abc"), kind)()
    assert caught.value.reply_code == 501


@pytest.mark.parametrize("n", [0, 0x7F, 0x80, 0x7FFF, 0x8000, 0xFFFF])
def test_short_is_unsigned(n: int) -> None:
    assert ArgumentReader(bytes(4) + n.to_bytes(2, "big")).short() == n


@pytest.mark.parametrize("n", [0, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1])
def test_long_is_unsigned(n: int) -> None:
    assert ArgumentReader(bytes(4) + n.to_bytes(4, "big")).long() == n


def test_longlong_with_its_top_bit_set_is_negative() -> None:
    assert ArgumentReader(bytes(4) + b"\x80" + bytes(7)).longlong() == -(2**63)
    assert ArgumentReader(bytes(4) + b"\xff" * 8).longlong() == -1


@given(octets=st.binary(max_size=60), kinds=st.lists(st.sampled_from(["short", "shortstr", "octet", "table", "long"])))
def test_random_octets_are_read_or_refused_but_nothing_else(octets: bytes, kinds: list[str]) -> None:
    reader = ArgumentReader(octets)
    try:
        for kind in kinds:
            getattr(reader, kind)()
    except HardError as error:
        assert error.reply_code in {501, 502}  # noqa: PT017 (the point is that no other exception gets out)
    assert reader.pos <= max(len(octets), 4)
