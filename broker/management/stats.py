"""Counters with their rates, and with their past if somebody asks for it: ``X``, ``X_details``."""

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from broker.management.json_values import Json
from broker.management.refusals import bad_request
from broker.metrics.history import Sample, Span

MOST_SAMPLES: Final = 500

_NO_DETAILS: Final = {"rate": 0.0}


class Spans(Struct, frozen=True):
    """The pasts that a request asks for; None where it asks for none.

    Attributes:
        lengths: Of depths.
        msg_rates: Of message counters.
        data_rates: Of octets on connections.
        node_stats: Of the node, and of what comes and goes.
    """

    lengths: Span | None = None
    msg_rates: Span | None = None
    data_rates: Span | None = None
    node_stats: Span | None = None


NO_SPANS: Final = Spans()


def spans_of(query: Mapping[str, str]) -> Spans:
    """Read the pairs of query keys: ``lengths_age=600&lengths_incr=5`` and its like.

    Raises:
        Refusal: 400.
    """
    return Spans(*(_span(query, name) for name in ("lengths", "msg_rates", "data_rates", "node_stats")))


def _span(query: Mapping[str, str], name: str) -> Span | None:
    age_text, step_text = query.get(f"{name}_age", ""), query.get(f"{name}_incr", "")
    if not all(text.isascii() and text.isdigit() and len(text) <= 9 for text in (age_text, step_text)):
        return None  # as RabbitMQ: half a pair, or one that is no number, asks for nothing
    age, step = int(age_text), int(step_text)
    if step == 0 or age / step > MOST_SAMPLES:
        raise bad_request(f"Invalid range parameters: age {age}, incr {step}")
    return Span(age, step)


def with_rates(
    layout: Mapping[str, tuple[int, ...]],
    counts: tuple[int, ...],
    rates: tuple[float, ...],
    samples: list[Sample] | None = None,
) -> Json:
    """The fields of one group.

    Args:
        layout: For each field the places of the figures that it sums.
        counts: The figures now.
        rates: Their change per second.
        samples: Their past, newest first; None if nobody asked for it.
    """
    is_still = samples is None and not any(rates)
    view: Json = {}
    for name, places in layout.items():
        if len(places) == 1:
            place = places[0]
            view[name] = counts[place]
            view[f"{name}_details"] = _NO_DETAILS if is_still else _details(rates[place], places, samples)
        else:
            view[name] = sum([counts[place] for place in places])
            rate = 0.0 if is_still else sum([rates[place] for place in places])
            view[f"{name}_details"] = _NO_DETAILS if is_still else _details(rate, places, samples)
    return view


def _details(rate: float, places: tuple[int, ...], samples: list[Sample] | None) -> Json:
    details: Json = {"rate": rate}
    if samples is not None:
        values = [sum([each.figures[place] for place in places]) for each in samples]
        details["samples"] = [
            {"sample": value, "timestamp": each.at_ms} for value, each in zip(values, samples, strict=True)
        ]
        details["avg"] = sum(values) / len(values) if values else 0.0
        elapsed_ms = samples[0].at_ms - samples[-1].at_ms if samples else 0
        details["avg_rate"] = (values[0] - values[-1]) * 1000 / elapsed_ms if elapsed_ms else 0.0
    return details
