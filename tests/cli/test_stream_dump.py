"""``ponymqctl log dump`` of streams, whole and damaged; the stream's own reader is the referee."""

import json
from pathlib import Path

from typer.testing import CliRunner

from broker.cli.control_command import app
from tests.store.streams import LOG_ID, StreamScene, numbered


def dumped(path: Path, *words: str) -> list[dict[str, object]]:
    result = CliRunner().invoke(app, ["log", "dump", str(path), "--json", *words])
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def offsets(rows: list[dict[str, object]]) -> list[object]:
    return [row["stream_offset"] for row in rows if row["kind"] == "stream-message"]


def many_segments(path: Path) -> tuple[StreamScene, int]:
    scene = StreamScene(path)
    bodies = numbered(0, 200, size=300)
    for first in range(0, 200, 10):
        scene.confirmed(*bodies[first : first + 10])
    assert len(scene.segments) > 3
    return scene, len(bodies)


def test_every_message_of_a_stream_is_printed_once_with_its_offset_and_its_place(tmp_path: Path) -> None:
    scene, count = many_segments(tmp_path / "data")
    scene.crashed()  # the tail is written again, to a segment that ends the one before
    scene.crash()
    rows = dumped(tmp_path / "data", "--kind", "stream-message", "--bodies")
    assert offsets(rows) == list(range(count))
    assert {row["log_id"] for row in rows} == {LOG_ID}
    places = [(row["file"], row["offset"]) for row in rows]
    assert places == sorted(set(places))
    file = (tmp_path / "data" / str(rows[0]["file"])).read_bytes()
    assert file.find(b"message 0", int(str(rows[0]["offset"]))) > 0
    line = CliRunner().invoke(app, ["log", "dump", str(tmp_path / "data")]).stdout.splitlines()[0]
    assert f"queue number {LOG_ID} offset 0" in line
    assert 'exchange "x" routing key "key"' in line


def test_damage_in_a_stream_is_told_between_the_messages_around_it(tmp_path: Path) -> None:
    scene, count = many_segments(tmp_path / "data")
    scene.crash()
    damaged = scene.segments[1]
    octets = bytearray(damaged.read_bytes())
    octets[len(octets) // 2] ^= 0xFF
    damaged.write_bytes(bytes(octets))
    rows = dumped(tmp_path / "data")
    kinds = [str(row["kind"]) for row in rows]
    at = kinds.index("damage")
    assert (kinds.count("damage"), kinds[at - 1], kinds[at + 1]) == (1, "stream-message", "stream-message")
    lost = sorted(set(range(count)) - set(offsets(rows)))  # type: ignore[arg-type]
    assert len(lost) == 10
    assert (rows[at - 1]["stream_offset"], rows[at + 1]["stream_offset"]) == (lost[0] - 1, lost[-1] + 1)


def test_a_torn_end_is_told_as_cut_behind_the_last_message(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(b"kept")
    scene.publish(b"never synced, and torn")
    scene.crash()
    segment = scene.segments[-1]
    whole = segment.read_bytes().rstrip(b"\0")
    segment.write_bytes(whole[:-5])
    rows = dumped(tmp_path / "data")
    assert [row["kind"] for row in rows if row["kind"] in {"stream-message", "cut"}][-1] == "cut"
    assert offsets(rows) == [0]


def test_messages_of_streams_are_left_out_when_another_kind_is_asked_for(tmp_path: Path) -> None:
    scene = StreamScene(tmp_path / "data")
    scene.confirmed(b"one")
    scene.crash()
    assert offsets(dumped(tmp_path / "data", "--kind", "message")) == []
    assert offsets(dumped(tmp_path / "data", "--queue", "another")) == []
