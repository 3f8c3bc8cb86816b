"""Users of other backends, over HTTP."""

import pytest

from broker.auth.jwt_verifier import JwtVerifier, KeyRing
from broker.auth.remote import ALLOWED, Question, Remote
from broker.auth.token_claims import TokenRules
from broker.auth.token_keys import RSA_ALGORITHMS, read_pem
from broker.auth.users import INTERNAL, OAUTH2, REMOTE
from tests.auth.issuer import NOW_S, RSA, public_pem, token
from tests.auth.service import Service
from tests.management.asking import Http, basic
from tests.metrics.scene import Broker

ADMIN = "mq.tag:administrator"


@pytest.fixture
def service(broker: Broker) -> Service:
    """Tokens first, then users here, then a service that says yes."""
    logins = broker.context.logins
    logins.backends = [OAUTH2, INTERNAL, REMOTE]
    ring = KeyRing({"rsa": read_pem(public_pem(RSA))})
    logins.verifier = JwtVerifier(ring, list(RSA_ALGORITHMS), "", TokenRules("mq"), broker.clock)
    answering = Service()
    answering.at_once = ALLOWED
    logins.remote.inquirer = answering
    return answering


async def whoami(api: Http, authorization: str) -> tuple[int, object]:
    async with api.get("/api/whoami", headers={"Authorization": authorization}) as answer:
        return answer.status, await answer.json()


@pytest.mark.usefixtures("service")
async def test_a_token_logs_in_as_bearer_and_as_a_password(api: Http) -> None:
    said = token(scope=ADMIN)
    me = {"name": "ann", "tags": ["administrator"], "is_internal_user": False}
    for authorization in (f"Bearer {said}", f"bearer {said}", basic("x", said)):
        assert await whoami(api, authorization) == (200, me)


@pytest.mark.usefixtures("service")
async def test_a_bearer_that_is_not_believed_is_refused(api: Http) -> None:
    refused = {"error": "not_authorized", "reason": "Not_Authorized"}
    for said in (token(scope=ADMIN, exp=NOW_S), token(scope=ADMIN, aud="x"), "guest"):
        assert await whoami(api, f"Bearer {said}") == (401, refused)


@pytest.mark.usefixtures("service")
async def test_a_bearer_without_a_management_tag_is_refused(api: Http) -> None:
    assert await whoami(api, f"Bearer {token()}") == (
        401,
        {"error": "not_authorised", "reason": "Not management user"},
    )


@pytest.mark.usefixtures("service")
async def test_a_token_shows_the_vhosts_that_its_scopes_name(api: Http) -> None:
    said = token(scope="mq.tag:management mq.read:other/*")
    async with api.get("/api/vhosts?columns=name", headers={"Authorization": f"Bearer {said}"}) as answer:
        assert await answer.json() == [{"name": "other"}]


class Tagging(Service):
    """Gives users a tag, and lets nobody into one vhost."""

    def ask(self, remote: Remote, question: Question) -> None:
        super().ask(remote, question)
        self.allow("management")


async def test_a_request_waits_until_the_service_has_been_asked_for_each_vhost(
    api: Http, service: Service, broker: Broker
) -> None:
    tagging = Tagging()
    tagging.denied = {"vhost other"}
    broker.context.logins.remote.inquirer = tagging
    async with api.get("/api/vhosts?columns=name", headers={"Authorization": basic("bob", "pear")}) as answer:
        assert await answer.json() == [{"name": "/"}]
    assert tagging.asked == ["user bob", "vhost /", "vhost other"]


async def test_what_is_changed_over_http_is_asked_about_like_amqp(api: Http, service: Service, broker: Broker) -> None:
    tagging = Tagging()
    broker.context.logins.remote.inquirer = tagging
    logins = {"Authorization": basic("bob", "pear")}
    async with api.put("/api/queues/%2F/new", json={}, headers=logins) as answer:
        assert answer.status == 201
    tagging.denied = {"queue new configure"}
    broker.context.logins.remote._allowed.clear()
    async with api.delete("/api/queues/%2F/new", headers=logins) as answer:
        assert answer.status == 401
        said = "configure access to queue 'new' in vhost '/' refused for user 'bob'"
        assert (await answer.json())["reason"] == said
    assert tagging.asked.count("queue new configure") == 2
    assert b"new" in broker.turn.vhosts["/"].queues
    assert not broker.context.connections
