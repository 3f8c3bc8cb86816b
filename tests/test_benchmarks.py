"""The load generator: what it sends is what it counts, its table says what was measured, and a run always ends."""

import pkgutil
import re
import selectors
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import commands, frame
from pamqp.body import ContentBody
from pamqp.header import ContentHeader

from benchmarks.broker_process import (
    INTERPRETED,
    LAVINMQ,
    LavinMQ,
    PonyMQBuild,
    Seat,
    broker_version,
    find_brokers,
)
from benchmarks.client import BenchmarkError
from benchmarks.consumer import LengthCounter
from benchmarks.figures import FIGURES, percentiles_us
from benchmarks.message_path import ACCEPTED, MESSAGE_PATH
from benchmarks.plot import write_plots
from benchmarks.publisher import CONFIRM_LENGTH, Confirms, Publishing
from benchmarks.report import BEGIN, END, document, rewrite, table
from benchmarks.runner import CHECKOUT, Cell, Results, RoundFailedError, Runner, least_disturbed, play_round
from benchmarks.scenario import Outcome
from benchmarks.scenarios import ALL, BY_NAME
from benchmarks.wire import Message, ack_until, acks

README = (CHECKOUT / "benchmarks" / "README.md").read_text(encoding="utf-8")
MESSAGES = [
    Message(b"", b"queue"),
    Message(b"exchange", b"a.b.c", size=0),
    Message(b"", b"queue", 1024, persistent=True, priority=9),
    Message(b"exchange", b"", headers={"kind": "reading", "number": 70000, "urgent": True}),
]


def parsed(octets: bytes) -> list[frame.FrameTypes]:
    frames = []
    while octets:
        length, _, one = frame.unmarshal(octets)
        frames.append(one)
        octets = octets[length:]
    return frames


def confirm(tag: int, multiple: bool = False) -> bytes:
    return ack_until(tag) if multiple else acks(tag, tag)


@pytest.mark.parametrize("message", MESSAGES)
def test_published_frames_say_what_the_message_says(message: Message) -> None:
    publish, header, *body = parsed(message.publish_frames())
    assert isinstance(publish, commands.Basic.Publish)
    assert (publish.exchange, publish.routing_key) == (message.exchange.decode(), message.routing_key.decode())
    assert isinstance(header, ContentHeader)
    assert header.body_size == message.size
    assert header.properties.delivery_mode == (2 if message.persistent else 1)
    assert header.properties.priority == message.priority
    assert header.properties.headers == message.headers
    assert sum(len(part) for part in body if isinstance(part, ContentBody)) == message.size


@pytest.mark.parametrize("message", MESSAGES)
def test_the_counted_length_is_that_of_the_delivery_on_the_wire(message: Message) -> None:
    publish = parsed(message.publish_frames())
    names = {"exchange": message.exchange.decode(), "routing_key": message.routing_key.decode()}
    content = b"".join(frame.marshal(part, 1) for part in publish[1:])
    deliver = frame.marshal(commands.Basic.Deliver("tag", 1, False, **names), 1)
    get_ok = frame.marshal(commands.Basic.GetOk(1, False, message_count=3, **names), 1)
    assert message.delivery_length(b"tag") == len(deliver + content)
    assert message.get_length() == len(get_ok + content)


@given(length=st.integers(1, 50), pieces=st.lists(st.integers(0, 200)))
def test_counting_by_length_is_the_same_however_the_octets_are_cut(length: int, pieces: list[int]) -> None:
    counter = LengthCounter(length)
    for piece in pieces:
        counter.add(piece)
    assert counter.count == sum(pieces) // length
    assert counter.is_whole == (sum(pieces) % length == 0)


@given(data=st.data())
def test_confirms_count_the_same_in_any_order_and_cut_anywhere(data: st.DataObject) -> None:
    tags = data.draw(st.permutations(range(1, 9)))
    until = data.draw(st.integers(0, 8))
    octets = b"".join(confirm(tag) for tag in tags if tag > until)
    if until:
        at = data.draw(st.integers(0, len(octets) // CONFIRM_LENGTH)) * CONFIRM_LENGTH
        octets = octets[:at] + confirm(until, multiple=True) + octets[at:]
    cut = data.draw(st.integers(0, len(octets)))
    confirms = Confirms()
    confirms.feed(octets[:cut])
    confirms.feed(octets[cut:])
    assert confirms.count == 8


def test_a_single_confirm_out_of_turn_is_not_counted_twice() -> None:
    confirms = Confirms()
    confirms.feed(confirm(3))
    assert confirms.count == 1
    confirms.feed(confirm(3, multiple=True) + confirm(2, multiple=True))
    assert confirms.count == 3


def test_a_nack_is_no_confirm() -> None:
    with pytest.raises(BenchmarkError, match=r"60\.120"):
        Confirms().feed(frame.marshal(commands.Basic.Nack(1, False, False), 1))


def test_publishing_keeps_within_the_window_of_unconfirmed_messages() -> None:
    message = b"0123456789"
    ours, theirs = socket.socketpair()
    with ours, theirs:
        flow = Publishing(ours, [message], count=7, window=4)
        theirs.setblocking(False)
        arrived = 0
        for confirmed in (0, 4, 6):
            if confirmed:
                theirs.sendall(confirm(confirmed, multiple=True))
                flow.advance(selectors.EVENT_READ)
            while flow.wants & selectors.EVENT_WRITE:
                flow.advance(selectors.EVENT_WRITE)
                arrived += len(theirs.recv(1000)) // len(message)
                assert arrived <= confirmed + 4
        assert arrived == 7
        assert flow.wants == selectors.EVENT_READ
        theirs.sendall(confirm(7))
        flow.advance(selectors.EVENT_READ)
        assert flow.wants == 0


def test_percentiles_are_values_that_were_measured() -> None:
    assert percentiles_us([number / 1e6 for number in range(1, 101)]) == pytest.approx(
        {"p50_us": 51, "p99_us": 100, "p999_us": 100}
    )


def cell(figure: str, *values: float) -> Cell:
    return Cell([Outcome(1.0, {figure: value}) for value in values])


@pytest.fixture
def results() -> Results:
    return {
        "rates": {
            "compiled": cell("messages_s", 900.0, 1000.0, 1200.0),
            "interpreted": cell("messages_s", 50.0),
            "rabbitmq": cell("messages_s", 100.0, 100.0, 100.0),
            "lavinmq": cell("messages_s", 400.0),
        },
        "waits": {
            "compiled": cell("p99_us", 10.0, 10.0),
            "rabbitmq": Cell([Outcome(1.0, {"p99_us": 40.0})], "said | no\nand left"),
        },
    }


def test_the_table_has_medians_spreads_and_ratios(results: Results) -> None:
    _, _, rates, waits = table(results).splitlines()
    assert rates == "| rates | messages/s | 1,000 ±20% | 50.0 | 100 ±0% | 400 |  | 10.0x | 0.50x | 2.50x |  |"
    assert waits == "| waits | us, p99 | 10.0 ±0% |  | failed: said / no and left |  |  |  |  |  |  |"


def test_a_ratio_above_one_means_better_where_less_is_better() -> None:
    cells = {"compiled": cell("p99_us", 10.0), "rabbitmq": cell("p99_us", 40.0)}
    assert table({"waits": cells}).splitlines()[2].endswith("| 4.00x |  |  |  |")


def test_a_scenario_that_failed_everywhere_still_has_its_line() -> None:
    assert "| waits |  | failed: gone |" in table({"waits": {"compiled": Cell([], "gone")}})


def test_rewriting_leaves_the_rest_of_the_file(tmp_path: Path, results: Results) -> None:
    file = tmp_path / "README.md"
    file.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    text = document(results, ["Machine: small"])
    rewrite(file, text)
    rewrite(file, text)
    assert file.read_text(encoding="utf-8") == f"before\n{BEGIN}\n\n{text}\n\n{END}\nafter\n"


def test_plots_are_well_formed_and_have_a_bar_for_each_value(tmp_path: Path, results: Results) -> None:
    files = write_plots(results, tmp_path / "plots")
    assert [file.stem for file in files] == ["throughput", "latency"]
    bars = [len(ElementTree.parse(file).findall(".//{*}rect")) - 5 for file in files]  # noqa: S314  our own file
    assert bars == [4, 1]


def test_the_readme_explains_every_scenario() -> None:
    assert len(BY_NAME) == len(ALL)
    [explained] = re.findall(r"## What is measured\n(.*?)\n##", README, re.DOTALL)
    assert {name for name in BY_NAME if f"`{name}`" not in explained} == set()
    assert README.index(BEGIN) < README.index(END)


@pytest.fixture
def lavinmq(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in place of LavinMQ, found on PATH, that knows some of the options and says which version it is."""
    program = tmp_path / "lavinmq"
    program.write_text("#!/bin/sh\n[ $1 = --version ] && echo 2.9.1 || echo '    --mqtt-port=PORT  MQTT port'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return program


def test_lavinmq_takes_part_where_it_is_on_path(lavinmq: Path, tmp_path: Path) -> None:
    broker = find_brokers(tmp_path)[LAVINMQ](tmp_path)
    assert broker_version(LAVINMQ, broker, tmp_path) == "LavinMQ 2.9.1"
    lavinmq.unlink()
    assert LAVINMQ not in find_brokers(tmp_path)


@pytest.mark.usefixtures("lavinmq")
def test_lavinmq_is_told_no_option_that_its_version_does_not_know(tmp_path: Path) -> None:
    command = LavinMQ(tmp_path).command()
    assert "--mqtt-port=-1" in command
    assert not [word for word in command if "mqtts" in word or "metrics" in word]


@pytest.fixture
def seat(tmp_path: Path) -> Iterator[Seat]:
    place = Seat(INTERPRETED, lambda directory: PonyMQBuild(directory, CHECKOUT), tmp_path)
    try:
        yield place
    finally:
        place.close()


def test_tiny_rounds_against_the_interpreted_broker_give_figures(seat: Seat) -> None:
    runner = Runner({INTERPRETED: seat}, rounds=1, count=300, with_relay=True, say=lambda _: None)
    results = runner.run([BY_NAME["transient_autoack"], BY_NAME["requeue"], BY_NAME["tls_persist_confirm"]])
    for cells in results.values():
        for one in cells.values():
            assert one.failure == ""
            [outcome] = one.rounds
            assert outcome.seconds > 0
            assert outcome.figures["messages_s"] > 0
            assert outcome.figures.keys() <= FIGURES.keys()
    assert results["transient_autoack"].keys() == {INTERPRETED, "relay"}
    assert results["requeue"].keys() == {INTERPRETED}


@pytest.mark.parametrize(
    ("shares", "counts", "others"),
    [([0.0], 1, 0), ([0.5, 0.01], 2, 1), ([0.5, 0.2], 2, 1), ([0.2, 0.5], 1, 1), ([1.0, 1.0], 2, 1)],
)
def test_a_round_that_the_host_disturbed_is_played_again(shares: list[float], counts: int, others: int) -> None:
    played: list[Outcome] = []

    def play() -> Outcome:
        played.append(Outcome(float(len(played) + 1)))
        return played[-1]

    looks = iter([each for share in shares for each in (0.9, share)])
    outcome, found = least_disturbed(play, lambda: next(looks))
    assert (outcome.seconds, found, len(played)) == (counts, others, len(shares))


def test_a_failed_round_is_not_played_again() -> None:
    assert least_disturbed(lambda: Outcome(0.0), lambda: 1.0) == (Outcome(0.0), 0)


def test_a_round_that_hangs_is_ended_and_reported() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(RoundFailedError, match="did not end in"):
            play_round(BY_NAME["rpc"], 1, silent.getsockname()[1], 0, limit_s=1.0)
        connection, _ = silent.accept()
        with connection:
            octets = b"".join(iter(lambda: connection.recv(100), b""))
    assert octets in {b"", b"AMQP" + struct.pack(">4B", 0, 0, 9, 1)}


def test_a_round_without_a_broker_says_why_it_failed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(RoundFailedError, match="ConnectionRefusedError"):
        play_round(BY_NAME["rpc"], 1, port, 0)


@pytest.mark.parametrize("owner", MESSAGE_PATH)
def test_every_function_of_the_message_path_exists(owner: str) -> None:
    assert set(MESSAGE_PATH[owner]) - vars(pkgutil.resolve_name(owner)).keys() == set()


def test_what_is_accepted_is_on_the_message_path_and_has_a_reason() -> None:
    functions = {f"{owner}.{name}" for owner, names in MESSAGE_PATH.items() for name in names}
    assert {entry.function for entry in ACCEPTED} - functions == set()
    assert all(entry.words and entry.reason for entry in ACCEPTED)
