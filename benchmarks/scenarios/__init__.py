"""Every scenario there is, in the order of the table."""

from typing import Final

from benchmarks.scenario import Scenario
from benchmarks.scenarios import connections, flow, latency, queues, routing

ALL: Final[list[Scenario]] = [
    *flow.SCENARIOS,
    *routing.SCENARIOS,
    *queues.SCENARIOS,
    *latency.SCENARIOS,
    *connections.SCENARIOS,
]
BY_NAME: Final = {scenario.name: scenario for scenario in ALL}
