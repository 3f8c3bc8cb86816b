"""One record of a dump, and the two ways to print it."""

import json
from dataclasses import dataclass, field
from typing import Final

JSON_SEPARATORS: Final = (",", ":")


@dataclass
class Row:
    """One record.

    Attributes:
        path: The file.
        offset: Where in the file; -1 where it is about no single place.
        batch: Number of the batch; -1 for none.
        kind: What it is.
        is_kept: False for a batch that the next start drops.
        words: The rest of the readable line.
        facts: The rest of the JSON object.
    """

    path: str
    offset: int
    batch: int
    kind: str
    is_kept: bool
    words: list[str]
    facts: dict[str, object] = field(default_factory=dict)

    def as_line(self) -> str:
        """``file:offset  batch  kind  …``, columns parted by two spaces."""
        where = f"{self.path}:{self.offset}" if self.offset >= 0 else self.path
        head = [where, f"batch {self.batch}"] if self.batch >= 0 else [where]
        dropped = [] if self.is_kept else ["dropped by the next start"]
        return "  ".join([*head, self.kind, *dropped, *self.words])

    def as_json(self) -> str:
        """One object on one line."""
        fields: dict[str, object] = {"file": self.path, "offset": self.offset, "batch": self.batch, "kind": self.kind}
        if not self.is_kept:
            fields["dropped"] = True
        return json.dumps(fields | self.facts, separators=JSON_SEPARATORS)
