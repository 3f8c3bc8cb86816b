"""The paths that read the node: the process, its memory, its disk. For monitors."""

from typing import Final

from broker.management.answers import Answer
from broker.management.call import Call
from broker.management.node_view import memory_view, node_view, relative_memory_view
from broker.management.routes import COLUMNS, NODE_PAST, Parameter, Route
from broker.metrics.machine import MachineFigures

MEMORY: Final = Parameter("memory", "Whether to tell what the memory is used for.", "boolean")


def nodes(call: Call) -> Answer:
    """The nodes: one. For monitors."""
    call.viewer.must_be_monitor()
    return call.rows([node_view(call.facts, call.spans(), with_memory=call.flag("memory"))])


def one_node(call: Call, name: bytes) -> Answer:
    """One node. For monitors."""
    call.viewer.must_be_monitor()
    call.must_be_node(name)
    return call.one(node_view(call.facts, call.spans(), with_memory=call.flag("memory")))


def memory(call: Call, name: bytes) -> Answer:
    """What the memory of a node is used for, in octets. For monitors."""
    return call.one({"memory": memory_view(call.facts, _looked_at(call, name))})


def relative_memory(call: Call, name: bytes) -> Answer:
    """What the memory of a node is used for, in percent. For monitors."""
    return call.one({"memory": relative_memory_view(call.facts, _looked_at(call, name))})


def _looked_at(call: Call, name: bytes) -> MachineFigures:
    call.viewer.must_be_monitor()
    call.must_be_node(name)
    return call.facts.sampler.machine or call.facts.machine.look()


ROUTES: Final = (
    Route("GET", "/nodes", nodes, query=[*COLUMNS, *NODE_PAST, MEMORY]),
    Route("GET", "/nodes/{node}", one_node, query=[*COLUMNS, *NODE_PAST, MEMORY]),
    Route("GET", "/nodes/{node}/memory", memory, query=COLUMNS),
    Route("GET", "/nodes/{node}/memory/relative", relative_memory, query=COLUMNS),
)
