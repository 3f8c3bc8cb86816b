"""Names that the broker makes up."""

import base64
import os


def generated_name(prefix: bytes) -> bytes:
    """``prefix`` and 22 characters of base64url: what RabbitMQ calls ``amq.gen-…`` queues and ``amq.ctag-…`` tags."""
    return prefix + base64.urlsafe_b64encode(os.urandom(16)).rstrip(b"=")
