"""Binding keys with wildcards in a trie, matched word by word.

A key is a list of words between dots, the empty key a list of none. In a binding key ``*`` stands for exactly one word
and ``#`` for zero or more.

The walk keeps two sets of nodes: those the words so far lead to exactly, and the ``#`` nodes reached so far, which stay
alive whatever follows. Each word moves every node of both sets one step. No node can be reached twice in one step: it
has one parent, and a ``#`` node is marked when it first joins. So a match costs at most words times nodes, where
backtracking would cost an exponential in the number of ``#``.
"""

from typing import Final, final

from mypy_extensions import i64, mypyc_attr

from broker.core.destination import Destination


@final
@mypyc_attr(native_class=True)
class _Node:
    """The binding keys that begin with the words that lead here.

    Attributes:
        children: Next nodes by literal word.
        one: Next node after ``*``.
        many: Next node after ``#``; such a node has no ``many`` or ``one`` of its own, by the normal form.
        destinations: Where the keys that end here lead, with how many bindings each; more than one when they differ
            by arguments, or by the spelling of the same wildcards.
        walk: Number of the last walk in which this node joined as a ``#`` node.
    """

    def __init__(self) -> None:
        self.children: Final[dict[bytes, _Node]] = {}
        self.one: _Node | None = None
        self.many: _Node | None = None
        self.destinations: Final[dict[Destination, int]] = {}
        self.walk: i64 = 0

    def is_bare(self) -> bool:
        """Nothing ends here or goes on from here."""
        return not self.destinations and not self.children and self.one is None and self.many is None

    def next(self, word: bytes) -> "_Node | None":
        """The node after one word of a binding key."""
        if word == b"*":
            return self.one
        if word == b"#":
            return self.many
        return self.children.get(word)

    def grow(self, word: bytes) -> "_Node":
        """The node after one word of a binding key, made if it is not there."""
        node = self.next(word)
        if node is None:
            node = _Node()
            if word == b"*":
                self.one = node
            elif word == b"#":
                self.many = node
            else:
                self.children[word] = node
        return node

    def cut(self, word: bytes) -> None:
        """Drop the node after one word of a binding key."""
        if word == b"*":
            self.one = None
        elif word == b"#":
            self.many = None
        else:
            del self.children[word]


def key_words(key: bytes) -> list[bytes]:
    """The words of a routing key. Dots always separate: ``a..b`` has an empty word, and the empty key has no word."""
    return key.split(b".") if key else []


def pattern_words(key: bytes) -> list[bytes]:
    """The words of a binding key in normal form: in a run of wildcards every ``*`` comes first, then one ``#``.

    Such a run means *at least so many words*, in whatever order it is spelled.
    """
    words: list[bytes] = []
    many_pending = False
    for word in key_words(key):
        if word == b"#":
            many_pending = True
            continue
        if many_pending and word != b"*":
            words.append(b"#")
            many_pending = False
        words.append(word)
    if many_pending:
        words.append(b"#")
    return words


@final
@mypyc_attr(native_class=True)
class TopicTrie:
    """Binding keys and their destinations.

    Attributes:
        steps: Nodes the last match looked at: the cost that a hostile key or pattern may not drive up.
    """

    def __init__(self) -> None:
        self.steps: i64 = 0
        self._root: Final = _Node()
        self._walk: i64 = 0

    def is_empty(self) -> bool:
        """Whether no binding and no branch is left."""
        return self._root.is_bare()

    def add(self, key: bytes, destination: Destination) -> None:
        """Add one binding."""
        node = self._root
        for word in pattern_words(key):
            node = node.grow(word)
        node.destinations[destination] = node.destinations.get(destination, 0) + 1

    def remove(self, key: bytes, destination: Destination) -> None:
        """Remove one binding that was added with this key; branches that lead nowhere are cut."""
        words = pattern_words(key)
        path: list[_Node] = [self._root]
        for word in words:
            step = path[-1].next(word)
            if step is None:
                return
            path.append(step)
        node = path[-1]
        left: i64 = node.destinations.get(destination, 0) - 1
        if left > 0:
            node.destinations[destination] = left
            return
        node.destinations.pop(destination, None)
        depth = len(words)
        while depth > 0 and path[depth].is_bare():
            path[depth - 1].cut(words[depth - 1])
            depth -= 1

    def match(self, key: bytes) -> list[Destination]:
        """The destinations of a routing key, each once."""
        self._walk += 1
        self.steps = 0
        found: dict[Destination, bool] = {}
        alive: list[_Node] = [self._root]
        lasting: list[_Node] = []
        self._join(self._root, lasting, found)
        for word in key_words(key):
            reached: list[_Node] = []
            # Nodes that join ``lasting`` in this step must not see this step's word.
            lasting_count = len(lasting)
            self.steps += len(alive) + lasting_count
            for node in alive:
                self._step(node, word, reached, lasting, found)
            for i in range(lasting_count):
                self._step(lasting[i], word, reached, lasting, found)
            alive = reached
            if not alive and not lasting:
                break
        for node in alive:
            found_here = node.destinations
            if found_here:
                for destination in found_here:
                    found[destination] = True
        return list(found)

    def _step(
        self, node: _Node, word: bytes, reached: list[_Node], lasting: list[_Node], found: dict[Destination, bool]
    ) -> None:
        child = node.children.get(word)
        if child is not None:
            reached.append(child)
            self._join(child, lasting, found)
        one = node.one
        if one is not None:
            reached.append(one)
            self._join(one, lasting, found)

    def _join(self, node: _Node, lasting: list[_Node], found: dict[Destination, bool]) -> None:
        """Let the ``#`` after a node join: it needs no word, so what ends there matches already."""
        many = node.many
        if many is None or many.walk == self._walk:
            return
        many.walk = self._walk
        for destination in many.destinations:
            found[destination] = True
        if many.children:
            lasting.append(many)
