"""Where mypyc 2.4.1 lets go of an object while it still uses what it has only borrowed of it: memory is corrupted.

``Pair(a.first, [each for each in a.second])``, with two Final attributes, borrows ``a.first``, drops ``a`` behind its
last use, which is in the loop, and only then calls ``Pair``. Two statements instead of one are safe.
"""

from collections.abc import Iterator

from mypyc.ir.func_ir import FuncIR
from mypyc.ir.ops import Assign, BasicBlock, ControlOp, DecRef, GetAttr, IncRef, Value


def used_after_release(function: FuncIR) -> Iterator[int]:
    """The lines that use what was borrowed of an object that may be gone."""
    for block in function.blocks:
        for at, op in enumerate(block.ops):
            if isinstance(op, GetAttr) and op.is_borrowed:
                line = _late_use(op, block, at + 1)
                if line is not None:
                    yield line


def _late_use(borrowed: GetAttr, block: BasicBlock, at: int) -> int | None:
    """The line of the first use behind the release of a holder, on any way from a place on; None if there is none."""
    holders = _holders(borrowed)
    waiting = [(block, at, False)]
    seen: set[tuple[BasicBlock, bool]] = set()
    while waiting:
        block, at, is_released = waiting.pop()
        for op in block.ops[at:]:
            if op is borrowed or (isinstance(op, IncRef) and op.src is borrowed):
                break
            if is_released and any(source is borrowed for source in op.sources()):
                return op.line
            if isinstance(op, DecRef) and any(op.src is holder for holder in holders):
                is_released = True
            elif isinstance(op, Assign) and any(op.dest is holder for holder in holders) and not is_released:
                break
            if isinstance(op, ControlOp):
                ways = {(target, is_released) for target in op.targets()} - seen
                seen |= ways
                waiting.extend((target, 0, released) for target, released in ways)
    return None


def _holders(borrowed: GetAttr) -> list[Value]:
    """The objects that keep it alive: the one it is an attribute of, and where that is borrowed too, the next."""
    holders = [borrowed.obj]
    while isinstance(holders[-1], GetAttr) and holders[-1].is_borrowed:
        holders.append(holders[-1].obj)
    return holders
