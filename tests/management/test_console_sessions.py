"""Sessions of the web console: how they begin, and everything that ends them."""

import pytest

from broker.auth.passwords import SHA256, hashed
from broker.auth.remote import Remote, RemoteUser, Undecided
from broker.auth.tokens import Token, TokenUser
from broker.auth.users import User, Users
from broker.management.access import HttpAsker
from broker.management.console_sessions import IDLE_S, LIFE_S, MOST, MOST_OF_USER, Sessions
from tests.auth.people import add_user
from tests.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def users() -> Users:
    people = Users([b"guest"])
    for name in (b"guest", b"ann"):
        add_user(people, name, b"secret", ["administrator"])
    return people


@pytest.fixture
def sessions(users: Users, clock: ManualClock) -> Sessions:
    return Sessions(users, clock)


@pytest.fixture
def ann(users: Users) -> User:
    return users.by_name[b"ann"]


def test_a_token_opens_the_session_of_its_user_only(sessions: Sessions, users: Users, ann: User) -> None:
    guest = users.by_name[b"guest"]
    tokens = {sessions.open(ann): ann, sessions.open(guest): guest}
    assert len(tokens) == 2
    for token, user in tokens.items():
        assert len(token) >= 43  # 256 bits
        assert sessions.user(token, is_loopback=True) is user


@pytest.mark.parametrize("token", ["", "nonsense", "\udcff"])
def test_any_other_text_opens_none(sessions: Sessions, ann: User, token: str) -> None:
    sessions.open(ann)
    assert sessions.user(token, is_loopback=True) is None


def test_a_session_ends_an_hour_after_its_last_use(sessions: Sessions, clock: ManualClock, ann: User) -> None:
    token = sessions.open(ann)
    for _ in range(3):
        clock.advance(IDLE_S - 1)
        assert sessions.user(token, is_loopback=True) is ann
    clock.advance(IDLE_S)
    assert sessions.user(token, is_loopback=True) is None


def test_a_session_ends_after_its_life_however_busy_it_is(sessions: Sessions, clock: ManualClock, ann: User) -> None:
    token = sessions.open(ann)
    for _ in range(20):
        assert sessions.user(token, is_loopback=True) is ann
        clock.advance(LIFE_S / 20)
    assert sessions.user(token, is_loopback=True) is None


def test_logging_out_ends_one_session_and_not_the_other(sessions: Sessions, ann: User) -> None:
    gone, kept = sessions.open(ann), sessions.open(ann)
    sessions.close(gone)
    assert sessions.user(gone, is_loopback=True) is None
    assert sessions.user(kept, is_loopback=True) is ann


def test_another_password_ends_the_users_sessions(sessions: Sessions, ann: User) -> None:
    token = sessions.open(ann)
    ann.password = hashed(b"secret", SHA256)  # the same words, but said anew
    assert sessions.user(token, is_loopback=True) is None


def test_a_deleted_user_has_no_session_even_if_the_name_comes_back(sessions: Sessions, users: Users, ann: User) -> None:
    token = sessions.open(ann)
    users.remove(ann)
    add_user(users, b"ann", b"secret", ["administrator"])
    assert sessions.user(token, is_loopback=True) is None


def test_a_session_of_a_loopback_user_is_of_no_use_from_afar(sessions: Sessions, users: Users, ann: User) -> None:
    token = sessions.open(users.by_name[b"guest"])
    assert sessions.user(token, is_loopback=False) is None
    assert sessions.user(token, is_loopback=True) is not None
    assert sessions.user(sessions.open(ann), is_loopback=False) is ann


def test_one_user_cannot_push_others_out(sessions: Sessions, users: Users, ann: User) -> None:
    guest = sessions.open(users.by_name[b"guest"])
    tokens = [sessions.open(ann) for _ in range(MOST_OF_USER + 1)]
    assert sessions.user(tokens[0], is_loopback=True) is None
    assert sessions.user(tokens[1], is_loopback=True) is ann
    assert sessions.user(guest, is_loopback=True) is not None


def test_there_are_never_more_than_the_limit_in_all(sessions: Sessions, users: Users) -> None:
    tokens = []
    for number in range(MOST // MOST_OF_USER + 1):
        user = add_user(users, b"u%d" % number, b"secret")
        tokens += [sessions.open(user) for _ in range(MOST_OF_USER)]
    assert sum(sessions.user(token, is_loopback=True) is not None for token in tokens) == MOST


# --- users of other backends


def test_a_session_ends_with_the_token_that_was_its_password(sessions: Sessions, clock: ManualClock) -> None:
    token = sessions.open(TokenUser(Token(b"ann", ["tag:management"], clock.now_ms() + 60_000)))
    clock.advance(59.0)
    assert sessions.user(token, is_loopback=True) is not None
    clock.advance(1.0)
    assert sessions.user(token, is_loopback=True) is None


def test_what_a_service_said_to_one_request_is_not_known_to_the_next(sessions: Sessions, clock: ManualClock) -> None:
    remote = Remote(clock)  # without a service: every answer is a no
    token = sessions.open(RemoteUser(remote, b"bob", ["management"], "127.0.0.1"))
    users = [sessions.user(token, is_loopback=True) for _ in range(2)]
    for user in users:
        assert isinstance(user, RemoteUser)
        assert (user.name, user.tags) == (b"bob", ["management"])
        with pytest.raises(Undecided) as undecided:
            user.may_enter("/")
        remote.ask(undecided.value.question, HttpAsker(user))
        assert not user.may_enter("/")


def test_logins_of_one_user_of_another_backend_share_their_number(sessions: Sessions) -> None:
    tokens = [sessions.open(TokenUser(Token(b"ann", [], 0))) for _ in range(MOST_OF_USER + 1)]
    assert sessions.user(tokens[0], is_loopback=True) is None
    assert sessions.user(tokens[1], is_loopback=True) is not None
