"""Parameters over restarts, kills and compactions."""

from pathlib import Path

from broker.policy.parameters import GLOBAL, Parameter
from tests.definitions.node import Node

Row = tuple[str, str, str, bytes]


def rows(node: Node) -> list[Row]:
    return [(each.vhost_name, each.component, each.name, each.value) for each in node.turn.parameters.listed()]


def fill(node: Node) -> list[Row]:
    """A few, some of them changed and some gone again."""
    turn = node.turn
    for vhost in ("/", "gone"):
        turn.set_parameter(Parameter(vhost, "shovel", "s", b'{"src-uri":"amqp://"}'))
    turn.set_parameter(Parameter("/", "shovel", "s", b'{"src-uri":"amqps://"}'))
    turn.set_parameter(Parameter("/", "shovel", "t", b"[]"))
    assert turn.remove_parameter("/", "shovel", "t")
    assert not turn.remove_parameter("/", "shovel", "t")
    turn.set_parameter(Parameter(GLOBAL, GLOBAL, "cluster_name", b'"herd"'))
    vhost = node.vhosts.make("gone")
    node.vhosts.delete(vhost)
    turn.journal.vhost_deleted(vhost)
    return [
        (GLOBAL, GLOBAL, "cluster_name", b'"herd"'),
        ("/", "shovel", "s", b'{"src-uri":"amqps://"}'),
    ]


def test_parameters_survive_a_restart(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    expected = fill(node)
    assert rows(node) == expected
    node = node.restarted()
    assert rows(node) == expected
    node.stop()


def test_parameters_survive_a_kill(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    expected = fill(node)
    node = node.crashed(tmp_path / "copy")
    assert rows(node) == expected
    node.stop()


def test_parameters_survive_compaction(tmp_path: Path) -> None:
    node = Node(tmp_path / "data")
    expected = fill(node)
    node.compact()
    node = node.restarted()
    assert rows(node) == expected
    node.stop()
