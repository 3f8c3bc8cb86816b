"""What an input consists of."""

# Octets that arrive together, or one of the words below.
Step = bytes | str
Steps = list[Step]

TICK = "tick"  # a moment passes, and the broker looks at its clock
LONG = "long"  # as much time passes as ends every deadline
PAUSE = "pause"  # the socket's buffer is full
RESUME = "resume"  # it has room again
VERDICT = "verdict"  # the verdict on a login comes in later
WORDS = frozenset({TICK, LONG, PAUSE, RESUME, VERDICT})


def octets_of(steps: Steps) -> int:
    """How many octets an input sends."""
    return sum(len(step) for step in steps if isinstance(step, bytes))
