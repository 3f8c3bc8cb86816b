"""All targets."""

from typing import Final

from fuzz.amqp import Channels, Handshake
from fuzz.http import Requests
from fuzz.proxy import ProxyHeaders
from fuzz.target import Target

BY_NAME: Final[dict[str, Target]] = {each.name: each for each in (Handshake(), Channels(), ProxyHeaders(), Requests())}
