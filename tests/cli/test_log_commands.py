"""``ponymqctl log`` over data directories that a real store made, whole and damaged; recovery itself is the referee."""

import base64
import json
import os
import shutil
from pathlib import Path

import pika
import pytest
from typer.testing import CliRunner

from broker.cli.access_rows import KINDS as ACCESS_KINDS
from broker.cli.control_command import app
from broker.cli.log_dump import KINDS
from broker.core.arguments import Field, Table
from broker.core.message import Message, Queued
from broker.definitions.access_records import PermissionRecord, UserRecord, VHostRecord
from broker.definitions.records import (
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
    encode_record,
    pack_table,
)
from broker.store.limits import StoreLimits
from tests.crash.daemon import Daemon
from tests.store.scene import Scene, recover_copy

EMPTY = pack_table({})
ODD_NAME = b'au\x1b[31m"dit\\\t\xff'
ODD_TEXT = 'au\\x1b[31m\\"dit\\\\\\t\\xff'

Files = dict[str, bytes]


def ask(*words: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["log", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def declare(scene: Scene, *records: Record) -> None:
    for record in records:
        scene.declare(encode_record(record))


def publish(scene: Scene, message: Message, *log_ids: int) -> None:
    """A message of one's own making; the scene's model need not know it."""
    for log_id in log_ids:
        position = scene.next_position.get(log_id, 1)
        scene.next_position[log_id] = position + 1
        scene.store.append(Queued(message, scene.enqueuer(log_id), position))


def busy(path: Path) -> Scene:
    """A journal, backlogs in queue segments with ledgers, and a commit log of several files; ended by a crash."""
    scene = Scene(path, limits=StoreLimits(2000, 6000, 128, 50, 4000, 300))
    declare(
        scene,
        ExchangeRecord("/", b"logs", b"topic", False, True, EMPTY),
        QueueRecord("/", b"orders", 1, False, pack_table({b"x-max-length": Field("l", 1000)})),
        QueueRecord("staging", ODD_NAME, 2, True, EMPTY),
        QueueRecord("/", b"late", 3, False, EMPTY),
        BindingRecord("/", b"logs", b"orders", False, b"a.#", EMPTY),
    )
    for number in range(40):
        scene.append(b"old %d" % number + bytes(40), 1, 2)
        scene.write()
    scene.sync()
    scene.retire()
    for position in range(1, 8, 2):
        scene.settle(1, position)
    scene.delivered(1, 9)
    scene.write()
    for number in range(60):
        scene.append(b"new %d" % number + bytes(40), 3)
        scene.write()
    scene.sync()
    scene.retire()
    for number in range(8):
        scene.append(b"last %d" % number, 3)
        if number == 3:
            scene.settle(3, min(scene.live[3]))
        scene.write()
        if number == 4:
            scene.sync()
    scene.crash()
    return scene


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return busy(tmp_path_factory.mktemp("kept") / "data")


def octets_of(path: Path) -> Files:
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def messages_by_number(path: Path) -> dict[int, tuple[int, int, int]]:
    """What recovery finds in a copy: messages, redelivered ones, octets of bodies."""
    copy = path.parent / "referee"
    shutil.copytree(path, copy)
    state, _ = recover_copy(copy)
    shutil.rmtree(copy)
    return {
        log_id: (len(queue), sum(again for _, again in queue.values()), sum(len(body) for body, _ in queue.values()))
        for log_id, queue in state.items()
    }


def messages_in_table(out: str) -> dict[str, tuple[int, int, int]]:
    """The table of queues: name to messages, redelivered, octets."""
    lines = out.splitlines()
    start = lines.index("vhost\tqueue\tmessages\tredelivered\toctets")
    rows = [line.split("\t") for line in lines[start + 1 : -1]]
    return {row[1]: (int(row[2]), int(row[3]), int(row[4])) for row in rows}


NAMES = {1: "orders", 2: ODD_TEXT, 3: "late"}


def test_check_of_a_whole_directory_counts_what_recovery_finds_and_changes_nothing(kept: Scene) -> None:
    before = octets_of(kept.path)
    code, out, err = ask("check", str(kept.path))
    assert code == 0
    assert messages_in_table(out) == {NAMES[number]: facts for number, facts in messages_by_number(kept.path).items()}
    assert out.splitlines()[-1].startswith(f"{kept.path}: no damage; ")
    assert "not stopped in good order" in out
    for name, octets in before.items():
        if name != "lock":
            assert f"read {kept.path}/{name}: {len(octets)} octets\n" in err
    assert octets_of(kept.path) == before


def test_check_counts_files_batches_records_and_octets(kept: Scene) -> None:
    _, out, _ = ask("check", str(kept.path))
    rows = {row[0]: [int(cell) for cell in row[1:]] for row in (line.split("\t") for line in out.splitlines()[1:5])}
    files = octets_of(kept.path)
    for part, directory, suffix in (
        ("journal", "journal", ".journal"),
        ("log", "log", ".log"),
        ("queue segments", "queues", ".seg"),
        ("ledgers", "queues", ".acks"),
    ):
        found = [octets for name, octets in files.items() if name.startswith(directory) and name.endswith(suffix)]
        assert found
        assert (rows[part][0], rows[part][3]) == (len(found), sum(map(len, found))), part
    assert rows["journal"][1:3] == [1, 5]
    dumped = [json.loads(line)["file"] for line in ask("dump", str(kept.path), "--json")[1].splitlines()]
    for part, suffix in (("log", ".log"), ("queue segments", ".seg"), ("ledgers", ".acks")):
        assert rows[part][2] == sum(name.endswith(suffix) for name in dumped), part


def test_check_tells_a_clean_stop(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    declare(scene, QueueRecord("/", b"orders", 1, False, EMPTY))
    scene.append(b"hello", 1)
    scene.store.close()
    code, out, _ = ask("check", str(tmp_path / "data"))
    assert code == 0
    assert "; 1 live messages; stopped in good order; " in out


def spoiled(whole: bytes, way: str, position: int) -> bytes:
    """A file as a bad disk, or somebody, left it."""
    if way == "flip":
        return whole[:position] + bytes([whole[position] ^ 0x20]) + whole[position + 1 :]
    if way == "cut":
        return whole[:position]
    if way == "zeros":
        return whole[:position] + bytes(64) + whole[position + 64 :]
    return whole[:position] + b"inserted" + whole[position:]


@pytest.mark.parametrize("suffix", [".journal", ".log", ".seg", ".acks"])
@pytest.mark.parametrize("way", ["flip", "cut", "zeros", "insert"])
def test_check_of_a_spoiled_file_says_what_recovery_says_and_counts_what_it_finds(
    kept: Scene, tmp_path: Path, suffix: str, way: str
) -> None:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    files = sorted(path.rglob(f"*{suffix}"))
    told = 0
    for file in {files[0], files[-1]}:
        whole = file.read_bytes()
        used = len(whole.rstrip(b"\0"))
        for position in range(3, used, 1 + used // 12):
            where = f"{file.name} octet {position}"
            file.write_bytes(spoiled(whole, way, position))
            code, out, _ = ask("check", str(path))
            copy = tmp_path / "copy"
            shutil.copytree(path, copy)
            state, recovered = recover_copy(copy)
            shutil.rmtree(copy)
            told += len(recovered.report)
            if suffix != ".journal":  # without its queues the log is damaged, too
                assert code == (1 if recovered.report else 0), where
            for sentence in recovered.report:
                assert code == 1, where
                assert sentence.replace(str(copy), str(path)) in out, where
            table = messages_in_table(out)
            assert sum(count for count, _, _ in table.values()) == sum(map(len, state.values())), where
            dumped = rows(path, "--kind", "damage", "--kind", "cut")
            assert len(dumped) == len(recovered.report), where
        file.write_bytes(whole)
    assert told > 0
    assert ask("check", str(path))[0] == 0


def test_check_of_a_torn_tail_says_what_the_next_start_cuts(kept: Scene, tmp_path: Path) -> None:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    file = max((path / "log").iterdir())
    whole = file.read_bytes().rstrip(b"\0")
    file.write_bytes(whole[:-5])
    code, out, _ = ask("check", str(path))
    sentence = out.splitlines()[0]
    assert code == 1
    assert sentence.startswith(f"cut {file} at offset ")
    assert sentence.endswith("the next start cuts them off; no sync is known to have covered them")


def test_check_while_running_takes_a_torn_tail_for_one_being_written(kept: Scene, tmp_path: Path) -> None:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    file = max((path / "log").iterdir())
    file.write_bytes(file.read_bytes().rstrip(b"\0")[:-5])
    code, out, _ = ask("check", str(path), "--while-running")
    assert code == 0
    assert out.startswith(f"note: cut {file} at offset ")
    assert "the broker may be writing there" in out


def test_check_tells_a_missing_log_file_and_a_missing_directory(tmp_path: Path) -> None:
    path = tmp_path / "data"
    scene = Scene(path)
    declare(scene, QueueRecord("/", b"orders", 1, False, EMPTY))
    for number in range(40):
        scene.append(b"body %d" % number + bytes(60), 1)
        scene.write()
        scene.sync()
    scene.crash()
    sorted((path / "log").iterdir())[2].unlink()
    code, out, _ = ask("check", str(path))
    assert code == 1
    assert " are missing before offset " in out
    assert "the next start loses the messages published in them" in out
    assert messages_in_table(out)["orders"] == messages_by_number(path)[1]
    shutil.rmtree(path / "queues")
    code, out, _ = ask("check", str(path))
    assert code == 1
    assert f"directory {path}/queues is missing; the next start makes it anew, without the backlogs in it\n" in out
    assert not (path / "queues").exists()


def test_check_tells_messages_whose_queue_the_journal_lost(kept: Scene, tmp_path: Path) -> None:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    for file in (path / "journal").iterdir():
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    code, out, _ = ask("check", str(path))
    messages, _, octets = messages_by_number(path)[1]
    assert code == 1
    assert (
        f"{messages} messages, {octets} octets, belong to queue number 1, which the journal does not know; "
        "the next start loses them, unless the journal is restored\n"
    ) in out


def test_delayed_messages_are_told_by_their_exchange_and_not_taken_for_a_queues(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    declare(
        scene,
        QueueRecord("/", b"later", 1, False, EMPTY),
        ExchangeRecord("/", b"later", b"x-delayed-message", False, False, EMPTY, 2),
        ExchangeRecord("/", b"gone", b"x-delayed-message", False, False, EMPTY, 3),
    )
    for log_id in (1, 2, 2, 3):
        scene.append(b"hello", log_id)
    scene.write()
    declare(scene, ExchangeGone("/", b"gone"))
    scene.write()
    scene.crash()
    code, out, _ = ask("check", str(tmp_path / "data"))
    assert code == 0
    assert {name: facts[0] for name, facts in messages_in_table(out).items()} == {
        "later": 1,
        "later (delayed)": 2,
        'delayed by exchange "gone" (deleted)': 1,
    }
    assert 'belong to delayed by exchange "gone" (deleted); the next start removes them\n' in out
    _, out, _ = ask("dump", str(tmp_path / "data"))
    assert 'exchange  "later"  type x-delayed-message  delayed messages are number 2  vhost "/"' in out
    assert 'delayed by exchange "later" position 1' in out
    assert len(ask("dump", str(tmp_path / "data"), "--queue", "later", "--kind", "message")[1].splitlines()) == 1


def test_check_notes_a_deletion_that_a_crash_cut_short(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    declare(scene, QueueRecord("/", b"orders", 1, False, EMPTY))
    scene.append(b"hello", 1)
    scene.write()
    declare(scene, QueueGone("/", b"orders"))
    scene.write()
    scene.crash()
    code, out, _ = ask("check", str(tmp_path / "data"))
    assert code == 0
    assert 'note: 1 messages, 5 octets, belong to "orders" (deleted); the next start removes them\n' in out


def test_check_tells_a_record_of_the_topology_that_it_cannot_decode(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    scene.declare(b"\x92\xa6future\x01")
    scene.append(b"hello", 1)
    scene.write()
    scene.crash()
    code, out, _ = ask("check", str(tmp_path / "data"))
    assert code == 1
    assert "9 octets, cannot be decoded; the next start leaves it out\n" in out
    assert "the next start keeps them on disk, out of reach\n" in out
    assert '  undecodable  9 octets "\\x92\\xa6future\\x01"\n' in ask("dump", str(tmp_path / "data"))[1]


def test_check_notes_foreign_unfinished_and_missing_files_and_leaves_them(kept: Scene, tmp_path: Path) -> None:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    (path / "format").unlink()
    (path / "log" / "notes.txt").write_text("mine")
    (path / "log" / "0000000000000099.log.tmp").write_text("half")
    before = octets_of(path)
    code, out, _ = ask("check", str(path))
    assert code == 0
    assert f"note: {path}/format is missing; the next start makes it again from the files\n" in out
    assert f"note: {path}/log/notes.txt is not a file of the broker; it is left alone\n" in out
    assert f"note: {path}/log/0000000000000099.log.tmp is unfinished or superseded; the next start removes it\n" in out
    assert octets_of(path) == before


@pytest.mark.parametrize("command", ["check", "dump"])
def test_a_directory_that_cannot_be_read_ends_with_2(tmp_path: Path, command: str) -> None:
    code, out, err = ask(command, str(tmp_path))
    assert (code, out) == (2, "")
    assert err.endswith(f"ponymqctl: {tmp_path} is no data directory: it holds neither a format file nor a log\n")
    path = tmp_path / "data"
    Scene(path).crash()
    format_file = path / "format"
    format_file.write_text("ponymq 99\nkey 00000001\n")
    assert "has format 99; this version reads up to 1" in ask(command, str(path))[2]
    format_file.unlink()
    format_file.mkdir()
    code, out, err = ask(command, str(path))
    assert (code, out) == (2, "")
    assert "Is a directory; check the disk" in err


@pytest.mark.parametrize("command", ["check", "dump"])
def test_a_held_directory_is_refused_unless_asked_for(tmp_path: Path, command: str) -> None:
    path = tmp_path / "data"
    scene = Scene(path)
    code, out, err = ask(command, str(path))
    assert (code, out) == (2, "")
    assert err == (
        f"ponymqctl: data directory {path} is in use by process {os.getpid()}; stop it, or add --while-running\n"
    )
    code, out, _ = ask(command, str(path), "--while-running")
    assert code == 0
    if command == "check":
        assert f"note: process {os.getpid()} holds the directory: what it writes may look torn here\n" in out
    scene.crash()
    assert ask(command, str(path))[0] == 0
    scene.open()  # no lock is left behind
    scene.crash()


def rows(path: Path, *words: str) -> list[dict[str, object]]:
    code, out, _ = ask("dump", str(path), "--json", *words)
    assert code == 0
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """One record of every kind but the damaged ones."""
    scene = Scene(tmp_path / "data", limits=StoreLimits())
    arguments: Table = {b"x-max-priority": Field("l", 4)}
    declare(
        scene,
        ExchangeRecord("/", b"logs", b"topic", False, True, EMPTY),
        QueueRecord("/", b"orders", 1, False, pack_table(arguments)),
        QueueRecord("staging", ODD_NAME, 2, True, EMPTY),
        BindingRecord("/", b"logs", b"orders", False, b"a.#", EMPTY),
        QueueRecord("/", b"old", 4, False, EMPTY),
        QueueGone("/", b"old"),
    )
    publish(scene, Message(b"\x04logs\x03a.b", b"header", b"\x1b[2Jhi\n", True, 1_700_000_000_123, 3, 60_000), 1, 2)
    publish(scene, Message(b"\x00\x06orders", b"header", bytes(range(256)), False, 0, 0, -1), 1)
    scene.append(b"third", 1)
    scene.append(b"fourth", 1)
    scene.append(b"fifth", 7)
    scene.write()
    scene.delivered(1, 4)
    scene.settle(1, 3)
    scene.settle(1, 4)
    scene.write()
    scene.settle(7, 1)
    scene.write()
    scene.append(b"sixth", 4)
    scene.write()
    scene.forget(4)
    scene.store.close()
    return tmp_path / "data"


def test_dump_prints_a_line_for_each_record_and_nothing_that_a_terminal_obeys(small: Path) -> None:
    code, out, err = ask("dump", str(small))
    assert (code, err) == (0, "")
    lines = [line.split("  ", 2) for line in out.splitlines()]
    log = "log/0000000000000001.log"
    assert all(where.rpartition(":")[2].isdigit() for where, _, _ in lines)
    odd = f'"{ODD_TEXT}" in vhost "staging"'
    assert [rest for _, _, rest in lines] == [
        'exchange  "logs"  type topic  internal  vhost "/"',
        'queue  "orders"  number 1  vhost "/"  arguments "x-max-priority"="4"',
        f'queue  "{ODD_TEXT}"  number 2  auto-delete  vhost "staging"',
        'binding  from exchange "logs" to queue "orders"  binding key "a.#"  vhost "/"',
        'queue  "old"  number 4  vhost "/"',
        'queue-gone  "old"  vhost "/"',
        f'message  "orders" position 1, {odd} position 1  persistent priority 3 ttl 60000 ms  2023-11-14T22:13:20.123Z'
        '  exchange "logs" routing key "a.b"  7 octets "\\x1b[2Jhi\\n"',
        'message  "orders" position 2  transient  1970-01-01T00:00:00.000Z  exchange "" routing key "orders"'
        '  256 octets "'
        + "".join(f"\\x{n:02x}" for n in range(9))
        + "\\t\\n\\x0b\\x0c\\r"
        + "".join(f"\\x{n:02x}" for n in range(14, 32))
        + ' !\\"#$%&\'()*+,-./"...',
        *(
            f'message  {queue}  persistent  2023-11-14T22:13:20.123Z  exchange "x" routing key "key"  {body}'
            for queue, body in (
                ('"orders" position 3', '5 octets "third"'),
                ('"orders" position 4', '6 octets "fourth"'),
                ("queue number 7 position 1", '5 octets "fifth"'),
            )
        ),
        'settled  "orders" positions 3 to 4',
        'delivered  "orders" up to position 4',
        "settled  queue number 7 position 1",
        'message  "old" (deleted) position 1  persistent  2023-11-14T22:13:20.123Z  exchange "x" routing key "key"'
        '  5 octets "sixth"',
        'forgotten  "old" (deleted) is gone',
        "closed  the broker was stopped in good order",
    ]
    assert {where.rpartition(":")[0] for where, _, _ in lines} == {"journal/0000000000000001.journal", log}
    assert all(character.isprintable() or character == "\n" for character in out)
    whole = ask("dump", str(small), "--bodies", "--kind", "message")[1]
    assert "\\xfe\\xff" in whole


def test_dump_names_the_octets_where_each_record_begins(small: Path) -> None:
    first_octets = {"settled": (1, 2), "delivered": (3,), "forgotten": (4,), "closed": (5,)}
    for row in rows(small):
        octets = (small / str(row["file"])).read_bytes()[int(str(row["offset"])) :]
        if row["kind"] == "message":
            assert (octets[0], octets[1]) == (row["persistent"], row["priority"])
        elif "log" in str(row["file"]).split("/"):
            assert octets[0] in first_octets[str(row["kind"])]
        else:
            assert octets[2 : 2 + len(str(row["kind"]))] == str(row["kind"]).encode()


def test_dump_as_json_gives_names_numbers_and_bodies(small: Path) -> None:
    first, *_ = rows(small, "--kind", "message", "--bodies")
    assert first["places"] == [
        {"log_id": 1, "vhost": "/", "queue": "orders", "position": 1},
        {"log_id": 2, "vhost": "staging", "queue": 'au\x1b[31m"dit\\\t\\xff', "position": 1},
    ]
    assert {key: first[key] for key in ("exchange", "routing_key", "ttl_ms", "body_octets", "published")} == {
        "exchange": "logs",
        "routing_key": "a.b",
        "ttl_ms": 60000,
        "body_octets": 7,
        "published": "2023-11-14T22:13:20.123Z",
    }
    assert base64.b64decode(str(first["body_base64"])) == b"\x1b[2Jhi\n"
    assert base64.b64decode(str(first["header_base64"])) == b"header"
    assert "body_base64" not in rows(small, "--kind", "message")[0]
    (orders,) = [row for row in rows(small, "--kind", "queue") if row["name"] == "orders"]
    assert (orders["log_id"], orders["arguments"]) == (1, {"x-max-priority": 4})


def test_dump_of_one_queue_shows_what_is_about_it(small: Path) -> None:
    kinds = [row["kind"] for row in rows(small, "--queue", "orders")]
    assert kinds == ["queue", "binding", *["message"] * 4, "settled", "delivered"]
    assert [row["kind"] for row in rows(small, "--queue", "old")] == ["queue", "queue-gone", "message", "forgotten"]
    assert rows(small, "--queue", "nobody") == []


def test_dump_shows_what_an_operator_decided(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    definition = pack_table({b"max-length": Field("l", 1000)})
    declare(
        scene,
        PolicyRecord("/", "p\x1b", True, "^q", "queues", 5, definition),
        QueueTtlRecord("/", b"q", 1_700_000_000_000, -1),
        PolicyGone("staging", "p", False),
        VHostLimitsRecord("/", {"max-queues": 3, "max-connections": -1}),
        VHostLimitsRecord("/", {}),
        UserLimitsRecord(b"ann\xff", {"max-channels": 3}),
        DefaultQueueTypeRecord("/", b"quorum"),
    )
    scene.write()
    scene.crash()
    code, out, _ = ask("dump", str(tmp_path / "data"), "--kind", "topology")
    assert code == 0
    assert [line.split("  ", 2)[2] for line in out.splitlines()] == [
        'policy  "p\\x1b"  operator policy  pattern "^q" apply-to queues priority 5  definition "max-length"="1000"'
        '  vhost "/"',
        'queue-ttl  "q"  messages before 2023-11-14T22:13:20.000Z have a ttl of -1 ms  vhost "/"',
        'policy-gone  "p"  vhost "staging"',
        'vhost-limits  "max-queues"=3 "max-connections"=-1  vhost "/"',
        'vhost-limits  no limits  vhost "/"',
        'user-limits  user "ann\\xff"  "max-channels"=3',
        'default-queue-type  "quorum"  vhost "/"',
    ]
    first, *_, user, kind = rows(tmp_path / "data")
    assert (first["name"], first["operator"], first["definition"]) == ("p\x1b", True, {"max-length": 1000})
    assert (user["limits"], kind["queue_type"]) == ({"max-channels": 3}, "quorum")
    assert [row["kind"] for row in rows(tmp_path / "data", "--queue", "q")] == ["queue-ttl"]


def test_dump_of_kinds_shows_these_and_refuses_others(small: Path) -> None:
    everything = [row["kind"] for row in rows(small)]
    decisions = {"queue-ttl", "policy", "policy-gone", "vhost-limits", "user-limits", "default-queue-type"}
    absent = {
        "damage",
        "cut",
        "undecodable",
        "exchange-gone",
        "binding-gone",
        "stream-message",
        *decisions,
        *ACCESS_KINDS,
    }
    assert set(everything) == set(KINDS) - absent
    for kind in sorted(set(KINDS)):
        assert [row["kind"] for row in rows(small, "--kind", kind)] == [each for each in everything if each == kind]
    assert len(rows(small, "--kind", "topology", "--kind", "closed")) == 7
    code, _, err = ask("dump", str(small), "--kind", "publish")
    assert code == 64
    assert "'publish' is none of message, stream-message, settled" in err


def test_dump_shows_damage_in_its_place_and_batches_that_a_start_drops(kept: Scene, tmp_path: Path) -> None:
    path = tmp_path / "data"
    shutil.copytree(kept.path, path)
    file = max((path / "log").iterdir())
    batches = [row for row in rows(path) if row["file"] == f"log/{file.name}"]
    unsynced = sorted({int(str(row["batch"])) for row in batches})[-2:]
    offsets = [int(str(row["offset"])) for row in batches if row["batch"] == unsynced[0]]
    whole = bytearray(file.read_bytes())
    whole[offsets[0]] ^= 1
    file.write_bytes(whole)
    found = [row for row in rows(path) if str(row["file"]) == f"log/{file.name}" or row["file"] == "-"]
    assert [row["kind"] for row in found][-3:] == ["cut", "message", "cut"]
    cut, dropped, summary = found[-3:]
    assert int(str(cut["offset"])) < offsets[0] < int(str(dropped["offset"]))
    assert dropped["dropped"] is True
    assert str(summary["text"]).startswith("1 whole batches behind the cut were dropped too")
    assert "  message  dropped by the next start  " in ask("dump", str(path))[1]


def test_check_and_dump_of_a_broker_that_runs_and_is_killed(tmp_path: Path) -> None:
    daemon = Daemon(tmp_path / "broker")
    try:
        daemon.start()
        connection = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", daemon.port))
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("orders", durable=True)
        for number in range(5):
            channel.basic_publish("", "orders", b"order %d" % number, pika.BasicProperties(delivery_mode=2))
        connection.close()
        process = daemon.process
        assert process is not None
        assert f"is in use by process {process.pid};" in ask("check", str(daemon.data_dir))[2]
        code, out, _ = ask("check", str(daemon.data_dir), "--while-running")
        assert (code, messages_in_table(out)) == (0, {"orders": (5, 0, 35)})
    finally:
        daemon.kill()
    code, out, _ = ask("check", str(daemon.data_dir))
    assert (code, messages_in_table(out)) == (0, {"orders": (5, 0, 35)})
    assert "not stopped in good order" in out
    messages = rows(daemon.data_dir, "--queue", "orders", "--kind", "message")
    assert [row["preview"] for row in messages] == [f"order {number}" for number in range(5)]
    assert {row["routing_key"] for row in messages} == {"orders"}


def test_dump_shows_users_and_permissions_and_no_hash(tmp_path: Path) -> None:
    scene = Scene(tmp_path / "data")
    declare(
        scene,
        VHostRecord("v", "a test"),
        UserRecord(b"an\tn", "rabbit_password_hashing_sha256", b"SALTanddigest", ["management"]),
        PermissionRecord(b"an\tn", "v", "^c", "", ".*"),
    )
    scene.write()
    scene.crash()
    code, out, _ = ask("dump", str(tmp_path / "data"), "--kind", "access")
    assert code == 0
    vhost, user, permission = (line.split("  ", 3)[2:] for line in out.splitlines())
    assert vhost == ["vhost", 'vhost "v"  description "a test"  tags "[]"  is protected "False"']
    words = [r'user "an\tn"', 'hash algorithm "rabbit_password_hashing_sha256"', "tags \"['management']\""]
    assert user == ["user", "  ".join(words)]
    assert permission[0] == "permission"
    assert "SALT" not in out
    _, out, _ = ask("dump", str(tmp_path / "data"), "--kind", "user", "--json")
    assert json.loads(out)["user"] == "an\tn"
    assert "hash_value" not in out
