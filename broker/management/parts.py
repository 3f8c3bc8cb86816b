"""Long answers, sent piece by piece."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from broker.management.pace import Pace

# Up to here an answer is one write. To join and copy ten megabytes at once would take as many milliseconds.
AT_ONCE_BYTES: Final = 131_072


async def send_parts(request: web.Request, parts: Sequence[bytes], headers: dict[str, str]) -> web.StreamResponse:
    """Answer with all the parts, and their length told before."""
    size = sum(map(len, parts))
    if size <= AT_ONCE_BYTES or request.method == "HEAD":
        return web.Response(body=b"".join(parts), headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_length = size
    await response.prepare(request)
    pace = Pace()
    gathered: list[bytes] = []
    count = 0
    for part in parts:
        gathered.append(part)
        count += len(part)
        if count >= AT_ONCE_BYTES:
            await response.write(b"".join(gathered))
            gathered, count = [], 0
            if pace.is_over:
                await pace.rest()
    await response.write(b"".join(gathered))
    await response.write_eof()
    return response
