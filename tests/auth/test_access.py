"""What a user may do: permissions, topic permissions, and how a change is seen."""

import pytest

from broker.auth import access as access_module
from broker.auth.access import CONFIGURE, MOST_DECISIONS, READ, WRITE, Access, Permission, TopicPermission
from broker.auth.users import User, Users
from broker.core.errors import SoftError
from tests.auth.people import add_user, permit


@pytest.fixture
def ann() -> User:
    return add_user(Users([]), b"ann")


@pytest.fixture
def rights(ann: User) -> Access:
    permit(ann, configure="^c", write="^w", read="^r")
    return ann.access("/")


def refusal(rights: Access, verb: int, name: bytes, kind: str = "queue") -> str:
    check = rights.check_queue if kind == "queue" else rights.check_exchange
    with pytest.raises(SoftError) as refused:
        check(verb, name)
    assert refused.value.reply_code == 403
    return refused.value.reply_text


def test_each_verb_has_its_own_expression(rights: Access) -> None:
    found = [[rights.allows(verb, "queue", name) for name in (b"c", b"w", b"r")] for verb in (CONFIGURE, WRITE, READ)]
    assert found == [[True, False, False], [False, True, False], [False, False, True]]


def test_refusals_are_in_rabbitmqs_words(rights: Access) -> None:
    text = "ACCESS_REFUSED - {} access to {} '{}' in vhost '/' refused for user 'ann'"
    assert refusal(rights, CONFIGURE, b"q") == text.format("configure", "queue", "q")
    assert refusal(rights, READ, b"q") == text.format("read", "queue", "q")
    assert refusal(rights, WRITE, b"x", "exchange") == text.format("write", "exchange", "x")
    assert refusal(rights, WRITE, b"", "exchange") == text.format("write", "exchange", "amq.default")


def test_who_has_no_permission_may_do_nothing_and_not_enter(ann: User) -> None:
    assert not ann.may_enter("/")
    assert not ann.access("/").allows(READ, "queue", b"q")
    assert not ann.may_enter("/")  # asking has made none


def test_a_change_is_seen_by_who_holds_the_rights_already(ann: User, rights: Access) -> None:
    assert rights.allows(READ, "queue", b"r1")
    permit(ann, read="^s")
    assert not rights.allows(READ, "queue", b"r1")
    assert rights.allows(READ, "queue", b"s1")
    rights.permission = None
    assert not rights.allows(READ, "queue", b"s1")


def test_decisions_are_remembered_and_not_without_end(rights: Access) -> None:
    for n in range(MOST_DECISIONS + 10):
        assert rights.allows(READ, "queue", b"r%d" % n)
        assert not rights.allows(READ, "queue", b"s%d" % n)
    permission = rights.permission
    assert permission is not None
    assert len(permission._decisions[READ]) <= MOST_DECISIONS


@pytest.mark.parametrize("text", access_module.EVERYTHING)
def test_what_allows_everything_allows_every_name(text: str) -> None:
    permission = Permission(text, text, text)
    assert permission.allows(WRITE, b"any\xffthing")
    assert permission.allows(WRITE, b"")


def test_a_passive_declare_needs_one_right_of_the_three(rights: Access) -> None:
    for name in (b"c", b"w", b"r"):
        rights.check_any("queue", name)
    with pytest.raises(SoftError, match="configure access to queue 'q' in vhost '/' refused for user 'ann'"):
        rights.check_any("queue", b"q")


def test_topics_of_an_exchange_without_a_row_are_free(rights: Access) -> None:
    rights.check_topic(WRITE, b"x", b"any.key")


def test_topics_are_restricted_by_expressions_with_the_users_and_the_vhosts_name() -> None:
    user = add_user(Users([]), b"a.n")
    rights = user.access("v1")
    rights.topics[b"x"] = TopicPermission(user.name, "v1", "^{username}\\.", "^{vhost}\\.")
    rights.check_topic(WRITE, b"x", b"a.n.k")
    rights.check_topic(READ, b"x", b"v1.k")
    for verb, key, word in ((WRITE, b"abn.k", "write"), (READ, b"v2.k", "read")):
        with pytest.raises(SoftError) as refused:
            rights.check_topic(verb, b"x", key)
        assert refused.value.reply_text == (
            f"ACCESS_REFUSED - {word} access to topic '{key.decode()}' in exchange 'x' in vhost 'v1' "
            "refused for user 'a.n'"
        )
