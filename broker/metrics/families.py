"""Rows of the exposition: a table of names on one side, objects on the other."""

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

T = TypeVar("T")

# Samples in one piece of text. 250 take one to two milliseconds, which is how long a scrape holds the loop.
PIECE: int = 250


class Row(NamedTuple, Generic[T]):
    """One metric that every object of a kind has.

    Attributes:
        family: RabbitMQ's name of the group, as ``/metrics/detailed?family=`` asks for it.
        kind: ``gauge`` or ``counter``.
        name: Without prefix, and without the ``_total`` of a counter.
        help: What it counts, and in which unit.
        read: Takes the figure from the object.
    """

    family: str
    kind: str
    name: str
    help: str
    read: Callable[[T], int]


class Metrics(Collector):
    """A few metrics that are already there: what a registry wants to be asked."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Sequence[Metric]:
        """The metrics."""
        return self._metrics

    def describe(self) -> Sequence[Metric]:
        """The same: their names are checked when they are registered."""
        return self._metrics


def gauge(name: str, text: str, value: int | float, labels: dict[str, str] | None = None) -> Metric:
    """A gauge with one sample."""
    metric = Metric(name, text, "gauge")
    metric.samples.append(Sample(name, labels or {}, value))
    return metric


def counter(name: str, text: str, value: int | float, labels: dict[str, str] | None = None) -> Metric:
    """A counter with one sample. ``name`` has no ``_total``."""
    metric = Metric(name, text, "counter")
    metric.samples.append(Sample(name + "_total", labels or {}, value))
    return metric


def text_of(*collectors: Collector) -> bytes:
    """The exposition of what the collectors have now.

    Raises:
        ValueError: Two of them have a metric of the same name.
    """
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    return generate_latest(registry)


def row_pieces(
    prefix: str, rows: Sequence[Row[T]], objects: Sequence[T], labels: Sequence[dict[str, str]]
) -> Iterator[bytes]:
    """The rows over many objects, in pieces of ``PIECE`` samples. Without objects the names are still there.

    Args:
        prefix: Before every name: ``rabbitmq_``.
        rows: The metrics.
        objects: What they are read from.
        labels: The labels of each object.
    """
    for row in rows:
        name = prefix + row.name
        sample_name = name + "_total" if row.kind == "counter" else name
        read = row.read
        at = 0
        while at == 0 or at < len(objects):
            metric = Metric(name, row.help, row.kind)
            metric.samples = [
                Sample(sample_name, of_object, read(each))
                for each, of_object in zip(objects[at : at + PIECE], labels[at : at + PIECE], strict=True)
            ]
            text = text_of(Metrics([metric]))
            if at > 0:
                # Help and type stand once, before the first sample of a name: two lines that only the first piece has.
                text = text.split(b"\n", 2)[2]
            yield text
            at += PIECE
