"""One round of one scenario, as a process of its own: ``python -m benchmarks.round``.

It writes one JSON object: ``seconds`` and ``figures``, or ``failed``. Whoever started it may kill its process group.
"""

import argparse
import gc
import json
import sys
from dataclasses import asdict

from benchmarks.client import explain
from benchmarks.relay import play_relay
from benchmarks.scenario import Stage
from benchmarks.scenarios import BY_NAME


def main() -> None:
    """Play the round that the arguments name."""
    parser = argparse.ArgumentParser(description="Play one round of one scenario.")
    parser.add_argument("scenario", choices=BY_NAME)
    parser.add_argument("count", type=int)
    parser.add_argument("--port", type=int, default=0, help="AMQP port of the broker; 0 for the byte relay instead")
    parser.add_argument("--pid", type=int, default=0, help="process id of the broker")
    parser.add_argument("--authority", default="", help="who has signed the broker's certificate, on a TLS port")
    words = parser.parse_args()
    scenario = BY_NAME[words.scenario]
    gc.disable()
    try:
        if words.port:
            outcome = scenario.play(Stage(words.port, words.pid, words.count, words.authority))
        else:
            outcome = play_relay(scenario, words.count)
        said = asdict(outcome)
    except Exception as error:  # noqa: BLE001  the outermost edge: whatever went wrong is the round's result
        said = {"failed": explain(error)}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
