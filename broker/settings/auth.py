"""The section ``auth``."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.auth_http import AuthHttpSettings
from broker.settings.meaning import means
from broker.settings.oauth2 import OAuth2Settings

PasswordAlgorithm = Literal["argon2id", "rabbit_password_hashing_sha256", "rabbit_password_hashing_sha512"]
AuthBackend = Literal["internal", "oauth2", "http"]


class AuthSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """How users prove who they are."""

    backends: Annotated[
        tuple[AuthBackend, ...],
        means(
            "Who knows users, in the order in which they are asked; the first yes counts. internal: the users of "
            "this broker; oauth2: tokens as passwords; http: a service of yours.",
            min_length=1,
        ),
    ] = ("internal",)
    anonymous_user: Annotated[
        str,
        means(
            "Whom clients become by the mechanism ANONYMOUS, without a password; empty: not offered.", max_length=255
        ),
    ] = ""
    new_passwords: Annotated[
        PasswordAlgorithm,
        means(
            "How new passwords are hashed. argon2id is by far the hardest to break; the others can also be moved "
            "to a RabbitMQ."
        ),
    ] = "argon2id"
    oauth2: OAuth2Settings = OAuth2Settings()
    http: AuthHttpSettings = AuthHttpSettings()
