"""What reading the files back found wrong: one sentence each, and what kind of thing it is."""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

FOREIGN: Final = 1  # a name that the broker did not make; it is left alone
CUT: Final = 2  # the torn end of a crash: octets, or whole batches, that no sync had covered
DAMAGE: Final = 3  # something that was there once cannot be read
HEADER: Final = 4  # a file header is lost; the batches behind it prove themselves
PASSED: Final = 5  # a copy of what is elsewhere, or was; nothing is taken from it


@final
@mypyc_attr(native_class=True)
class Finding:
    """One thing that recovery tells.

    Attributes:
        kind: One of the constants above.
        text: A plain sentence with file, offset and octets.
        path: The file; empty where it is about no single one.
        offset: Where in the file; -1 where it is about no single place.
        size: Octets concerned; 0 where they are whole batches or none.
    """

    def __init__(self, kind: i64, text: str, path: str, offset: i64, size: i64) -> None:
        self.kind: Final[i64] = kind
        self.text: Final = text
        self.path: Final = path
        self.offset: Final[i64] = offset
        self.size: Final[i64] = size


def sentences(findings: list[Finding]) -> list[str]:
    """The texts alone, for the log."""
    return [finding.text for finding in findings]


def in_file_order(findings: list[Finding]) -> list[Finding]:
    """By file and offset; what is about no single file comes last."""
    ordered = findings.copy()
    ordered.sort(key=place_of)
    return ordered


def place_of(finding: Finding) -> tuple[bool, str, int]:
    """What findings are sorted by."""
    return (not finding.path, finding.path, int(finding.offset))
