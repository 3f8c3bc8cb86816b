"""Who may come in."""

import hashlib

import pytest

from broker.auth.users import SALT_BYTES, User, Users, hash_password


@pytest.fixture
def users() -> Users:
    made = Users([b"guest"])
    made.add(User(b"guest", b"guest", ["administrator"]))
    made.add(User(b"app", b"s3cret", []))
    return made


def may_enter(users: Users, name: bytes, password: bytes, *, is_loopback: bool = True) -> bool:
    user = users.authenticate(name, password, is_loopback=is_loopback)
    assert user is None or user.name == name
    return user is not None


def test_right_password_lets_in(users: Users) -> None:
    assert may_enter(users, b"guest", b"guest")
    assert may_enter(users, b"app", b"s3cret")


@pytest.mark.parametrize("password", [b"", b"S3cret", b"s3cret ", b"s3cre", b"s3cret\x00", b"guest"])
def test_wrong_password_is_refused(users: Users, password: bytes) -> None:
    assert not may_enter(users, b"app", password)


@pytest.mark.parametrize("name", [b"", b"App", b"nobody", b"app "])
def test_unknown_name_is_refused(users: Users, name: bytes) -> None:
    assert not may_enter(users, name, b"s3cret")


def test_blank_password_is_refused_even_if_it_is_the_right_one(users: Users) -> None:
    users.add(User(b"open", b"", []))
    assert not may_enter(users, b"open", b"")


def test_loopback_only_user_is_refused_from_afar(users: Users) -> None:
    assert may_enter(users, b"guest", b"guest", is_loopback=True)
    assert not may_enter(users, b"guest", b"guest", is_loopback=False)
    assert may_enter(users, b"app", b"s3cret", is_loopback=False)


def test_empty_loopback_list_lets_everybody_in_from_afar() -> None:
    users = Users([])
    users.add(User(b"guest", b"guest", []))
    assert may_enter(users, b"guest", b"guest", is_loopback=False)


def test_adding_a_user_again_replaces_the_password_and_the_tags(users: Users) -> None:
    users.add(User(b"app", b"new", ["monitoring"]))
    assert not may_enter(users, b"app", b"s3cret")
    user = users.authenticate(b"app", b"new", is_loopback=False)
    assert user is not None
    assert user.tags == ["monitoring"]


def test_hash_is_rabbitmqs_salt_then_digest() -> None:
    salt = b"\x01\x02\x03\x04"
    assert len(salt) == SALT_BYTES
    assert hash_password(b"pw", salt) == salt + hashlib.sha256(salt + b"pw").digest()
