"""What a check of a data directory found."""

from dataclasses import dataclass, field
from typing import Self

from broker.store.findings import Finding
from broker.store.series import FoundFile, Piece


@dataclass
class PartCount:
    """One kind of file.

    Attributes:
        files: How many.
        batches: Whole batches that the next start takes.
        records: What is in them.
        octets: On disk, reserved space included.
    """

    files: int = 0
    batches: int = 0
    records: int = 0
    octets: int = 0

    def take_files(self, found: list[FoundFile]) -> None:
        """Count the files of a series."""
        self.files += len(found)
        self.octets += sum(int(each.size) for each in found)

    def take_pieces(self, pieces: list[Piece]) -> None:
        """Count the accepted batches of a series."""
        self.batches += sum(int(piece.last - piece.first) + 1 for piece in pieces)


@dataclass
class QueueCount:
    """The live messages of one queue: its name ready for printing, how many, and the octets of their bodies."""

    vhost: str = ""
    name: str = ""
    messages: int = 0
    redelivered: int = 0
    octets: int = 0


@dataclass
class Trouble:
    """One damaged place.

    Attributes:
        text: What is damaged, a sentence with file, offset and octets.
        path: The file; empty where it is about no single one.
        offset: Where in the file; -1 where it is about no single place.
        octets: How many are concerned.
        consequence: What the next start does about it.
    """

    text: str
    path: str
    offset: int
    octets: int
    consequence: str

    @classmethod
    def of(cls, finding: Finding, consequence: str) -> Self:
        """What recovery would tell, and what it means."""
        return cls(finding.text, finding.path, int(finding.offset), int(finding.size), consequence)


@dataclass
class CheckResult:
    """Everything that a check has to say.

    Attributes:
        path: The data directory.
        parts: The kinds of files.
        queues: Live messages, queue by queue; queues that the journal does not name come last.
        troubles: What is damaged.
        notes: What is worth knowing and harms nobody.
        is_closed: The broker was stopped in good order.
        seconds: How long it took.
    """

    path: str
    parts: dict[str, PartCount] = field(
        default_factory=lambda: {
            name: PartCount() for name in ("journal", "log", "queue segments", "ledgers", "streams")
        }
    )
    queues: list[QueueCount] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    is_closed: bool = False
    seconds: float = 0.0
