"""Rows of the exposition: a table of names on one side, objects on the other."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

T = TypeVar("T")

PIECE: Final = 500  # samples in one piece of text: a third of a millisecond


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
    read: Callable[[T], int | float]


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
    prefix: str, rows: Sequence[Row[T]], objects: Sequence[T], labels_of: Callable[[T], str]
) -> Iterator[bytes]:
    """The rows over many objects, in pieces of ``PIECE`` samples. Without objects the names are still there.

    Written by hand: the library takes ten times as long over a row, and 10,000 queues have 150,000 of them.

    Args:
        prefix: Before every name: ``rabbitmq_``.
        rows: The metrics.
        objects: What they are read from.
        labels_of: The labels of an object, by ``label_text``.
    """
    labels: list[str] = []
    for at in range(0, len(objects), PIECE):
        labels += [labels_of(each) for each in objects[at : at + PIECE]]
        yield b""
    for row in rows:
        name = prefix + row.name
        sample_name = name + "_total" if row.kind == "counter" else name
        yield f"# HELP {sample_name} {row.help}\n# TYPE {sample_name} {row.kind}\n".encode()
        read = row.read
        for at in range(0, len(objects), PIECE):
            part = zip(objects[at : at + PIECE], labels[at : at + PIECE], strict=True)
            yield "".join([f"{sample_name}{of_object} {read(each)}\n" for each, of_object in part]).encode()


def label_text(labels: dict[str, str]) -> str:
    """Labels as they stand behind a name: ``{queue="q",vhost="/"}``."""
    return "{" + ",".join([f'{name}="{escaped(value)}"' for name, value in labels.items()]) + "}"


def escaped(value: str) -> str:
    """A label's value as the text format wants it."""
    if "\\" in value or '"' in value or "\n" in value:
        return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return value
