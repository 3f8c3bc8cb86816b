"""Records of the topology as octets."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker.core.arguments import Field, Table, array, long, longstr, table
from broker.definitions.records import (
    BindingGone,
    BindingRecord,
    DefaultQueueTypeRecord,
    ExchangeGone,
    ExchangeRecord,
    PolicyGone,
    PolicyRecord,
    QueueGone,
    QueueRecord,
    QueueTtlRecord,
    Record,
    UserLimitsRecord,
    VHostLimitsRecord,
    decode_record,
    encode_record,
    pack_table,
    unpack_table,
)

NAME = st.binary(max_size=255)
VHOST = st.text(max_size=40)
NUMBER = st.integers(-(2**53), 2**53)
LIMITS = st.dictionaries(st.text(max_size=20), NUMBER, max_size=3)
RECORDS: st.SearchStrategy[Record] = st.one_of(
    st.builds(ExchangeRecord, VHOST, NAME, NAME, st.booleans(), st.booleans(), st.binary()),
    st.builds(ExchangeGone, VHOST, NAME),
    st.builds(QueueRecord, VHOST, NAME, st.integers(1, 2**63 - 1), st.booleans(), st.binary()),
    st.builds(QueueGone, VHOST, NAME),
    st.builds(BindingRecord, VHOST, NAME, NAME, st.booleans(), NAME, st.binary()),
    st.builds(BindingGone, VHOST, NAME, NAME, st.booleans(), NAME, st.binary()),
    st.builds(PolicyRecord, VHOST, VHOST, st.booleans(), VHOST, VHOST, NUMBER, st.binary()),
    st.builds(PolicyGone, VHOST, VHOST, st.booleans()),
    st.builds(QueueTtlRecord, VHOST, NAME, NUMBER, NUMBER),
    st.builds(VHostLimitsRecord, VHOST, LIMITS),
    st.builds(UserLimitsRecord, NAME, LIMITS),
    st.builds(DefaultQueueTypeRecord, VHOST, NAME),
)


@given(record=RECORDS)
def test_record_is_read_back_as_it_was_written(record: Record) -> None:
    assert decode_record(encode_record(record)) == record


@given(record=RECORDS)
def test_record_cut_at_any_octet_is_refused(record: Record) -> None:
    whole = encode_record(record)
    for cut in range(len(whole)):
        with pytest.raises(msgspec.MsgspecError):
            decode_record(whole[:cut])


@given(octets=st.binary(max_size=60))
@example(octets=b"\x91\xa2\x00\x80")
def test_random_octets_are_a_record_or_refused(octets: bytes) -> None:
    try:
        record = decode_record(octets)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return
    assert encode_record(record)


@pytest.mark.parametrize(
    "value",
    [
        ["queue", "/", b"q", 0, False, b""],
        ["queue", "/", b"q", 2**63, False, b""],
        ["stream", "/", b"x"],
        ["queue"],
        ["queue", "/", b"q", "one", False, b""],
        ["policy", "/", "p", False, "^q", "all", 2**53 + 1, b"d"],
        ["user-limits", b"u", {"max-channels": 2**63}],
        [],
        {"queue": 1},
        None,
        7,
    ],
)
def test_record_of_another_kind_or_shape_is_refused(value: object) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode_record(msgspec.msgpack.encode(value))


def test_records_on_disk_keep_their_shape() -> None:
    """A change here is a change of the format: a broker would no longer read its own data directory."""
    written: dict[Record, list[object]] = {
        ExchangeRecord("/", b"x", b"topic", True, False, b"a", 7): [
            *("exchange", "/", b"x", b"topic", True, False, b"a"),
            7,
        ],
        ExchangeGone("/", b"x"): ["exchange-gone", "/", b"x"],
        QueueRecord("/", b"q", 7, True, b"a"): ["queue", "/", b"q", 7, True, b"a"],
        QueueGone("/", b"q"): ["queue-gone", "/", b"q"],
        BindingRecord("/", b"x", b"q", False, b"k", b"a"): ["binding", "/", b"x", b"q", False, b"k", b"a"],
        BindingGone("/", b"x", b"y", True, b"k", b"a"): ["binding-gone", "/", b"x", b"y", True, b"k", b"a"],
        PolicyRecord("/", "p", True, "^q", "all", 5, b"d"): ["policy", "/", "p", True, "^q", "all", 5, b"d"],
        PolicyGone("/", "p", False): ["policy-gone", "/", "p", False],
        QueueTtlRecord("/", b"q", 9, -1): ["queue-ttl", "/", b"q", 9, -1],
        DefaultQueueTypeRecord("/", b"quorum"): ["default-queue-type", "/", b"quorum"],
    }
    assert {record: msgspec.msgpack.decode(encode_record(record)) for record in written} == written
    limits = {"max-queues": 3}
    assert msgspec.msgpack.decode(encode_record(VHostLimitsRecord("/", limits))) == ["vhost-limits", "/", limits]
    assert msgspec.msgpack.decode(encode_record(UserLimitsRecord(b"u", limits))) == ["user-limits", b"u", limits]


def test_exchange_without_a_number_is_one_that_delays_nothing() -> None:
    """As versions without delayed messages wrote it."""
    written = msgspec.msgpack.encode(["exchange", "/", b"x", b"topic", True, False, b"a"])
    assert decode_record(written) == ExchangeRecord("/", b"x", b"topic", True, False, b"a", 0)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {b"x-message-ttl": Field("I", 10), b"x-expires": long(2**40), b"x-max-priority": Field("B", 255)},
        {b"x-match": longstr(b"any"), b"f": Field("f", 1.5), b"d": Field("d", -0.1), b"D": Field("D", (2, 1))},
        {b"a": array([Field("V", None), table({b"t": Field("t", True)})]), b"x": Field("x", b"\x00\xff")},
    ],
)
def test_arguments_keep_their_type_letters(arguments: Table) -> None:
    assert unpack_table(pack_table(arguments)) == arguments
