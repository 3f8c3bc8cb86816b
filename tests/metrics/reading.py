"""The exposition, read as a Prometheus server reads it."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

Labels = frozenset[tuple[str, str]]


class Reading:
    """The samples of one scrape by name and labels. A sample that comes twice is a mistake, and so is a second TYPE."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self.text = b"".join(pieces).decode()
        self.samples: dict[tuple[str, Labels], float] = {}
        self.types: dict[str, str] = {}
        for family in text_string_to_metric_families(self.text):
            assert family.name not in self.types, f"{family.name} comes in two groups"
            self.types[family.name] = family.type
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"{key} comes twice"
                self.samples[key] = sample.value
        self.names = {name for name, _ in self.samples}

    def value(self, name: str, **labels: str) -> float:
        """The one sample with that name and these labels, and perhaps more labels."""
        wanted = labels.items()
        found = [value for (key, has), value in self.samples.items() if key == name and wanted <= set(has)]
        assert len(found) == 1, f"{name} {labels}: {found}"
        return found[0]
