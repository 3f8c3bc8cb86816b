"""The web console's files: read from the package once, and told apart by what is in them.

The console is plain HTML, CSS and ES modules in ``console/``; it is served as it was written, and asks nobody but this
broker for anything.
"""

import gzip
import hashlib
from pathlib import Path
from typing import Final

from aiohttp import web
from msgspec import Struct

from broker.management.refusals import Refusal, not_found

DIRECTORY: Final = Path(__file__).parent / "console"
INDEX: Final = "index.html"

CONTENT_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

# Nothing from elsewhere, nothing inline, nobody's frame; and no text ever becomes HTML or script.
POLICY: Final = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    ]
)
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}


class ConsoleFile(Struct, frozen=True):
    """One file.

    Attributes:
        content_type: With the charset.
        etag: Its digest, in the quotes that the header wants.
        octets: As it is.
        zipped: The same, compressed.
    """

    content_type: str
    etag: str
    octets: bytes
    zipped: bytes


class ConsoleFiles:
    """Answers the paths of the console."""

    def __init__(self, directory: Path = DIRECTORY) -> None:
        """Read every file below ``directory``."""
        self._files = {
            str(path.relative_to(directory)): _read(path)
            for path in sorted(directory.rglob("*"))
            if path.suffix in CONTENT_TYPES
        }

    def answer(self, request: web.Request, path: list[bytes]) -> web.Response:
        """The file at a path; nothing at all is the console itself.

        Raises:
            Refusal: 404, or 405 for what does not read.
        """
        file = self._files.get(b"/".join(path).decode("utf-8", "replace") or INDEX)
        if file is None:
            raise not_found()
        if request.method not in {"GET", "HEAD"}:
            raise Refusal(405, "method_not_allowed", "Method Not Allowed", headers={"Allow": "GET, HEAD"})
        headers = {**HEADERS, "ETag": file.etag}
        if request.headers.get("If-None-Match") == file.etag:
            return web.Response(status=304, headers=headers)
        headers["Content-Type"] = file.content_type
        if "gzip" not in request.headers.get("Accept-Encoding", ""):
            return web.Response(body=file.octets, headers=headers)
        headers["Content-Encoding"] = "gzip"
        return web.Response(body=file.zipped, headers=headers)


def _read(path: Path) -> ConsoleFile:
    octets = path.read_bytes()
    etag = f'"{hashlib.sha256(octets).hexdigest()[:32]}"'
    return ConsoleFile(CONTENT_TYPES[path.suffix], etag, octets, gzip.compress(octets, mtime=0))
