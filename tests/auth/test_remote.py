"""Users whom a service knows: what it is asked, and how long its answers are good for."""

import pytest

from broker.auth.access import READ, WRITE
from broker.auth.remote import ALLOWED, ASK_RESOURCE, DENIED, FAILED, Asker, Inquirer, Question, RemoteUser, Undecided
from broker.auth.remote import Remote as Register
from tests.auth.service import Service
from tests.clock import ManualClock


class Waiter(Asker):
    """Somebody who notes the answer for a user."""

    def __init__(self, user: RemoteUser) -> None:
        super().__init__()
        self.user = user
        self.told = 0

    def answered(self, question: Question) -> None:
        self.user.learn(question)
        self.told += 1


class Scene:
    """A register, its service, and ann, who comes from 10.0.0.7."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.remote = Register(self.clock)
        self.service = Service()
        self.remote.inquirer = self.service
        self.ann = self.user()

    def user(self) -> RemoteUser:
        return RemoteUser(self.remote, b"ann", ["monitoring", "x"], "10.0.0.7")

    def question(self, name: bytes = b"q", user: RemoteUser | None = None) -> Question:
        with pytest.raises(Undecided) as undecided:
            (user or self.ann).access("/").allows(READ, "queue", name)
        return undecided.value.question

    def ask(self, name: bytes = b"q", user: RemoteUser | None = None) -> Waiter:
        waiter = Waiter(user or self.ann)
        self.remote.ask(self.question(name, user), waiter)
        return waiter

    def may_read(self, name: bytes = b"q", user: RemoteUser | None = None) -> bool:
        return (user or self.ann).access("/").allows(READ, "queue", name)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_a_resource_is_asked_about_as_rabbitmq_asks(scene: Scene) -> None:
    question = scene.question()
    assert question.topic == ASK_RESOURCE
    assert question.fields == [
        ("username", b"ann"),
        ("vhost", b"/"),
        ("resource", b"queue"),
        ("name", b"q"),
        ("permission", b"read"),
        ("tags", b"monitoring x"),
    ]


def test_a_vhost_and_a_topic_are_asked_about_as_rabbitmq_asks(scene: Scene) -> None:
    with pytest.raises(Undecided) as vhost:
        scene.ann.may_enter("v")
    fields = [("username", b"ann"), ("vhost", b"v"), ("ip", b"10.0.0.7"), ("tags", b"monitoring x")]
    assert vhost.value.question.fields == fields
    with pytest.raises(Undecided) as topic:
        scene.ann.access("v").check_topic(WRITE, b"amq.topic", b"a.b")
    assert topic.value.question.fields == [
        ("username", b"ann"),
        ("vhost", b"v"),
        ("resource", b"topic"),
        ("name", b"amq.topic"),
        ("permission", b"write"),
        ("tags", b"monitoring x"),
        ("routing_key", b"a.b"),
        ("variable_map.username", b"ann"),
        ("variable_map.vhost", b"v"),
    ]


@pytest.mark.parametrize(("answer", "expected"), [(ALLOWED, True), (DENIED, False), (FAILED, False)])
def test_an_answer_decides(scene: Scene, answer: int, expected: bool) -> None:
    scene.service.at_once = answer
    assert scene.ask().told == 1
    assert scene.may_read() == expected


def test_without_a_service_the_answer_is_no(scene: Scene) -> None:
    scene.remote.inquirer = Inquirer()
    scene.ask()
    assert not scene.may_read()


def test_a_yes_is_good_for_all_connections_of_the_user_for_a_time(scene: Scene) -> None:
    scene.service.at_once = ALLOWED
    scene.ask()
    assert scene.may_read(user=scene.user())
    scene.clock.advance(scene.remote.remember_s)
    assert scene.may_read(user=scene.user())
    scene.clock.advance(0.1)
    scene.question(user=scene.user())
    assert scene.service.asked == ["queue q read"]


def test_a_no_is_asked_again_by_the_next_and_not_by_the_same_method(scene: Scene) -> None:
    scene.service.at_once = DENIED
    scene.ask()
    assert not scene.may_read()
    scene.ann.forgets(scene.clock.monotonic_s())
    scene.question()


def test_the_same_question_goes_out_once(scene: Scene) -> None:
    waiters = [scene.ask(user=scene.user()) for _ in range(10)]
    scene.ask(b"other")
    assert scene.service.asked == ["queue q read", "queue other read"]
    scene.service.allow()
    assert [waiter.told for waiter in waiters] == [1] * 10
    assert scene.remote.asked == 2


def test_fields_cannot_be_shifted_into_each_other(scene: Scene) -> None:
    keys = {scene.question(name).key for name in (b"q", b"q=4:read", b"", b"q permission")}
    assert len(keys) == 4


def test_what_a_method_has_learnt_stays_while_it_waits_however_long_that_is(scene: Scene) -> None:
    scene.service.at_once = ALLOWED
    scene.remote.most_remembered = 1
    scene.ask(b"first")
    scene.clock.advance(1000.0)
    scene.ask(b"second")
    assert scene.may_read(b"first")
    assert scene.may_read(b"second")


def test_what_was_built_on_an_answer_falls_with_the_oldest_one(scene: Scene) -> None:
    scene.service.at_once = ALLOWED
    assert not scene.ann.forgets(scene.clock.monotonic_s())
    scene.ask(b"first")
    scene.clock.advance(10.0)
    scene.ask(b"second")
    assert not scene.ann.forgets(scene.clock.monotonic_s())
    scene.clock.advance(5.1)
    assert scene.ann.forgets(scene.clock.monotonic_s())
    assert not scene.ann.forgets(scene.clock.monotonic_s())


def test_names_that_clients_make_up_do_not_fill_the_memory(scene: Scene) -> None:
    scene.service.at_once = ALLOWED
    scene.remote.most_remembered = 10
    for n in range(100):
        scene.ask(b"%d" % n)
    assert len(scene.remote._allowed) <= 10
    scene.ann.forgets(scene.clock.monotonic_s())
    assert not scene.ann._known
