"""The sampler: rounds over everything a broker has."""

import pytest
from pamqp import commands

from broker.metrics.figures import OVERVIEW_FIGURES, VHOST_FIGURES
from broker.metrics.history import Span
from broker.metrics.machine import Machine, MachineFigures
from broker.metrics.peers import ChannelFigures, ConnectionFigures
from broker.metrics.sampler import SLICE, Sampler
from tests.metrics.conftest import NoPeers
from tests.metrics.scene import Broker, Client


class Rounds:
    def __init__(self, broker: Broker, peers: NoPeers) -> None:
        self.broker = broker
        self.sampler = Sampler(broker.turn, peers, broker.clock)
        self.machine = Machine(".").look()
        self.steps = 0

    def __call__(self) -> None:
        self.broker.clock.advance(5.0)
        self.steps = sum(1 for _ in self.sampler.round(self.machine))


@pytest.fixture
def rounds(broker: Broker, peers: NoPeers) -> Rounds:
    return Rounds(broker, peers)


def overview_rate(sampler: Sampler, group: str, name: str) -> float:
    rates = sampler.overview.rates("")
    return sum(rates[place] for place in OVERVIEW_FIGURES.groups[group][name])


def test_rates_of_broker_vhost_and_queue_are_per_second(broker: Broker, rounds: Rounds) -> None:
    client = Client(broker)
    client.declare("q")
    rounds()
    for _ in range(20):
        client.publish("q", b"1")
    client.tell(commands.Basic.Get(queue="q", no_ack=True))
    rounds()
    sampler = rounds.sampler
    assert overview_rate(sampler, "message_stats", "publish") == 4.0
    assert overview_rate(sampler, "message_stats", "deliver_get") == 0.2
    assert overview_rate(sampler, "queue_totals", "messages") == pytest.approx(3.8)
    assert sampler.queues.rates(broker.turn.vhosts["/"].queues[b"q"])[0] == 4.0
    assert sampler.vhosts.rates("/")[0] == 4.0
    assert sampler.vhosts.rates("other") == (0.0,) * len(VHOST_FIGURES.kinds)


def test_totals_of_a_vhost_do_not_fall_when_a_queue_goes(broker: Broker, rounds: Rounds) -> None:
    client = Client(broker)
    client.declare("q")
    client.publish("q", b"1")
    rounds()
    client.tell(commands.Queue.Delete(queue="q"))
    client.declare("q")
    client.publish("q", b"1")
    client.publish("q", b"1")
    rounds()
    assert rounds.sampler.vhost_counts("/")[0] == 3


def test_octets_of_connections_are_summed_for_their_vhost(broker: Broker, peers: NoPeers, rounds: Rounds) -> None:
    peers.open.append(ConnectionFigures("c", 1, 1000, 0, is_publisher=True, is_reading_stopped=False))
    rounds()
    peers.open[0] = ConnectionFigures("c", 1, 3000, 500, is_publisher=True, is_reading_stopped=False)
    rounds()
    assert rounds.sampler.connections.rates(0) == (400.0, 100.0)
    assert rounds.sampler.vhost_counts("/")[-2:] == (3000, 500)


def test_a_round_over_many_objects_has_many_steps(broker: Broker, peers: NoPeers, rounds: Rounds) -> None:
    vhost = broker.turn.vhosts["/"]
    for i in range(5 * SLICE):
        vhost.declare_queue(b"q%d" % i, False, False, False, {}, 0)
    figures = ChannelFigures("c (1)", 0, 0, 0, 0, 0, 0, 0)
    peers.running = [figures] * (5 * SLICE)
    rounds()
    assert rounds.steps >= 10


def test_ten_thousand_idle_queues_have_no_past(broker: Broker, rounds: Rounds) -> None:
    vhost = broker.turn.vhosts["/"]
    for i in range(1000):
        vhost.declare_queue(b"q%d" % i, False, False, False, {}, 0)
    for _ in range(3):
        rounds()
    assert rounds.sampler.queues.history_count == 0


def test_a_queue_deleted_in_the_middle_of_a_round_does_no_harm(broker: Broker, rounds: Rounds) -> None:
    client = Client(broker)
    for i in range(2 * SLICE):
        client.declare(f"q{i}")
    client.publish("q0", b"1")
    steps = rounds.sampler.round(rounds.machine)
    next(steps)
    vhost = broker.turn.vhosts["/"]
    while vhost.queues:
        vhost.delete_queue(next(iter(vhost.queues.values())))
    assert len(list(steps)) > 0
    rounds()
    assert rounds.sampler.queues.history_count == 0


def test_the_node_has_a_past(broker: Broker, rounds: Rounds) -> None:
    rounds()
    rounds.machine = MachineFigures(5000, 0, 0.0, 0.0, 3, 2, 100, 200, 7)
    rounds()
    assert rounds.sampler.machine is rounds.machine
    samples = rounds.sampler.node.samples("", Span(60, 5), broker.clock.now_ms())
    assert samples[0].figures[:2] == (5000, 100)
