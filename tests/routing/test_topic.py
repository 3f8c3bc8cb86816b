"""Topic matching: RabbitMQ's edge cases, a naive matcher as judge, the cache, and the cost of hostile patterns."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.destination import Destination
from broker.routing.exchange import ExchangeTraits
from broker.routing.matches import Matches
from broker.routing.topic import MAX_CACHED_DESTINATIONS, MAX_CACHED_KEYS, TopicExchange
from broker.routing.topic_trie import TopicTrie, pattern_words


def queue(name: bytes) -> Destination:
    return Destination(name, "/", False, True)


def topic() -> TopicExchange:
    return TopicExchange(b"x", "/", ExchangeTraits())


def collected(source: TopicExchange, key: bytes) -> set[bytes]:
    matches = Matches()
    source.collect(key, None, matches)
    assert len({d.name for d in matches.found}) == len(matches.found)
    return {destination.name for destination in matches.found}


def naive_match(pattern: list[bytes], words: list[bytes]) -> bool:
    """The definition, by recursion."""
    if not pattern:
        return not words
    if pattern[0] == b"#":
        return any(naive_match(pattern[1:], words[i:]) for i in range(len(words) + 1))
    return bool(words) and pattern[0] in {b"*", words[0]} and naive_match(pattern[1:], words[1:])


def naive_split(key: bytes) -> list[bytes]:
    return key.split(b".") if key else []


EDGE_CASES = [
    # binding key, routing key, whether it matches
    (b"#", b"", True),
    (b"", b"", True),
    (b"#.#", b"", True),
    (b"*", b"", False),
    (b"#.*", b"", False),
    (b"", b"a", False),
    (b"", b".", False),
    (b"*", b"a", True),
    (b"*", b"a.b", False),
    (b"*.*", b".", True),
    (b"*", b".", False),
    (b"a.*.b", b"a..b", True),
    (b"a..b", b"a..b", True),
    (b"a.b", b"a..b", False),
    (b"a.#.b", b"a.b", True),
    (b"a.#.b", b"a..b", True),
    (b"a.*", b"a.", True),
    (b"a", b"a.", False),
    (b"a.", b"a", False),
    (b"*.a", b".a", True),
    (b"#.a", b".a", True),
    (b"#", b"a..b.", True),
    (b"a.#", b"a", True),
    (b"a.#", b"ab", False),
    (b"#.a", b"a", True),
    (b"#.a", b"b", False),
    (b"#.a.#", b"b.a.c", True),
    (b"a.#.a", b"a", False),
    (b"a.#.a", b"a.a", True),
    (b"*.#.a", b"a", False),
    (b"#.*.#", b"a", True),
    (b"#.*.#", b"", False),
    (b"#.*.#.*", b"a", False),
    (b"#.*.#.*", b"a.b", True),
    (b"*.#.*", b"a", False),
    (b"a*", b"ab", False),
    (b"a*", b"a*", True),
    (b"a#.b", b"a.b", False),
    (b"*.b", b"*.b", True),
    (b"a", b"*", False),
    (b"a", b"#", False),
    (b"\xff.*", b"\xff.\x00", True),
]


@pytest.mark.parametrize(("pattern", "key", "expected"), EDGE_CASES)
def test_binding_key_matches_as_in_rabbitmq(pattern: bytes, key: bytes, expected: bool) -> None:
    source = topic()
    source.add(queue(b"q"), pattern, {})
    assert collected(source, key) == ({b"q"} if expected else set())
    assert naive_match(naive_split(pattern), naive_split(key)) == expected


WORDS = st.sampled_from([b"a", b"#", b"*", b"b", b"", b"a*"])
KEYS = st.lists(WORDS, max_size=6).map(b".".join)


@settings(max_examples=300)
@given(patterns=st.lists(KEYS, max_size=8), removed=st.sets(st.integers(0, 7)), keys=st.lists(KEYS, max_size=4))
@pytest.mark.parametrize("is_caching", [True, False])
def test_trie_agrees_with_the_naive_matcher(
    is_caching: bool, patterns: list[bytes], removed: set[int], keys: list[bytes]
) -> None:
    source = topic()
    source.is_caching = is_caching
    bound = [(queue(b"%d" % i), pattern) for i, pattern in enumerate(patterns)]
    for q, pattern in bound:
        assert source.add(q, pattern, {})
    # Asked before and after the removals: a stale result would show.
    for left in (bound, [pair for i, pair in enumerate(bound) if i not in removed]):
        for key in keys * 2:
            expected = {q.name for q, pattern in left if naive_match(naive_split(pattern), naive_split(key))}
            assert collected(source, key) == expected
        for i, (q, pattern) in enumerate(bound):
            if i in removed:
                source.remove(q, pattern, {})
    for q, _ in bound:
        source.remove_destination(q)
    assert all(collected(source, key) == set() for key in keys)


@given(pattern=KEYS, key=KEYS)
def test_normal_form_of_a_binding_key_matches_the_same_keys(pattern: bytes, key: bytes) -> None:
    normal = pattern_words(pattern)
    assert naive_match(normal, naive_split(key)) == naive_match(naive_split(pattern), naive_split(key))
    assert all(normal[i] != b"#" or normal[i + 1] not in {b"#", b"*"} for i in range(len(normal) - 1))


@given(patterns=st.lists(KEYS, max_size=8))
def test_trie_is_empty_again_after_everything_is_removed(patterns: list[bytes]) -> None:
    trie = TopicTrie()
    q = queue(b"q")
    for pattern in patterns:
        trie.add(pattern, q)
    for pattern in patterns:
        trie.remove(pattern, q)
    assert trie.is_empty()


def test_two_spellings_of_one_pattern_are_two_bindings_of_which_one_suffices() -> None:
    source, q = topic(), queue(b"q")
    source.add(q, b"#.*", {})
    source.add(q, b"*.#", {})
    assert collected(source, b"a") == {b"q"}
    source.remove(q, b"#.*", {})
    assert collected(source, b"a") == {b"q"}
    source.remove(q, b"*.#", {})
    assert collected(source, b"a") == set()


def test_cache_is_emptied_by_each_change_of_bindings() -> None:
    source, q, other = topic(), queue(b"q"), queue(b"other")
    source.add(q, b"a.*", {})
    assert collected(source, b"a.b") == {b"q"}
    assert source.cached_key_count == 1
    source.add(other, b"#", {})
    assert source.cached_key_count == 0
    assert collected(source, b"a.b") == {b"q", b"other"}
    source.remove_destination(q)
    assert collected(source, b"a.b") == {b"other"}


def test_cache_stays_within_its_bound_and_right_beyond_it() -> None:
    source = topic()
    source.add(queue(b"even"), b"*.0", {})
    source.add(queue(b"odd"), b"*.1", {})
    largest = 0
    for i in range(MAX_CACHED_KEYS * 2):
        assert collected(source, b"%d.%d" % (i, i % 2)) == {b"odd" if i % 2 else b"even"}
        largest = max(largest, source.cached_key_count)
    assert largest == MAX_CACHED_KEYS


def test_result_with_very_many_destinations_is_not_kept() -> None:
    source = topic()
    for i in range(MAX_CACHED_DESTINATIONS):
        source.add(queue(b"%d" % i), b"a", {})
    assert len(collected(source, b"a")) == MAX_CACHED_DESTINATIONS
    assert source.cached_key_count == 1
    source.add(queue(b"one more"), b"a", {})
    assert len(collected(source, b"a")) == MAX_CACHED_DESTINATIONS + 1
    assert source.cached_key_count == 0


# What would take a backtracking matcher longer than anyone waits. The steps of the walk are counted, not timed, so that
# a slow machine does not fail the test and a fast one does not pass it.
LONGEST_KEY = b".".join([b"a"] * 128)
HOSTILE = [
    b".".join([b"#"] * 128),
    b".".join([b"#", b"a"] * 64),
    b".".join([b"#", b"a"] * 63 + [b"#", b"b"]),
    b".".join([b"#", b"*"] * 64),
    b".".join([b"#", b"*"] * 32 + [b"b"]),
    b".".join([b"*", b"#"] * 63 + [b"b"]),
]


@pytest.mark.parametrize("pattern", HOSTILE)
def test_many_wildcards_cost_at_most_words_times_nodes(pattern: bytes) -> None:
    trie = TopicTrie()
    trie.add(pattern, queue(b"q"))
    matched = trie.match(LONGEST_KEY)
    assert bool(matched) == (not pattern.endswith(b"b"))
    assert trie.steps <= 128 * 129
