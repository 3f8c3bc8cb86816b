"""The section ``auth.oauth2``."""

from typing import Annotated, Literal

from msgspec import Struct

from broker.settings.meaning import between, means

TokenAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "HS256", "HS384", "HS512"
]


class TokenKeySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """One key that tokens may be signed with."""

    kid: Annotated[str, means("Its name in the header of tokens.", min_length=1, max_length=255)] = "key"
    file: Annotated[
        str, means("PEM file with the public key or a certificate; for a secret, a file with nothing else.")
    ] = ""
    secret: Annotated[
        bool, means("It is no key pair but a secret, for HS256 and its like. Whoever has it can sign.")
    ] = False


class ScopeAliasSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """A word of tokens, such as a role, that stands for scopes."""

    alias: Annotated[str, means("The word.")] = ""
    scopes: Annotated[tuple[str, ...], means("What it stands for, each with the prefix.")] = ()


class OAuth2Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """Whose tokens are believed, and what in them is for this broker. For the backend oauth2."""

    resource_server_id: Annotated[
        str, means("This broker's name at the authority: what aud has to name.", max_length=255)
    ] = ""
    jwks_file: Annotated[
        str,
        means(
            "File with the authority's JSON Web Key Set. Read again on SIGHUP, and when it has changed and a token "
            "names an unknown key."
        ),
    ] = ""
    default_key: Annotated[
        str, means("The kid of the key for tokens that name none; empty: they are refused.", max_length=255)
    ] = ""
    algorithms: Annotated[
        tuple[TokenAlgorithm, ...],
        means(
            "What tokens may be signed with; a key verifies only what its type is made for. Those of secrets, HS, "
            "have to be named here and not only to have a key.",
            min_length=1,
        ),
    ] = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
    issuer: Annotated[str, means("What iss has to say; empty for anything that a key has signed.")] = ""
    verify_aud: Annotated[bool, means("Refuse tokens whose aud does not name resource_server_id.")] = True
    require_exp: Annotated[bool, means("Refuse tokens that never expire.")] = True
    leeway_s: Annotated[
        float, between(0, 3600, "By how much the authority's clock may differ from this machine's.")
    ] = 0.0
    scope_prefix: Annotated[
        str,
        means('Of scopes for this broker. "auto" for resource_server_id and a dot; empty: all are.', max_length=255),
    ] = "auto"
    additional_scopes_key: Annotated[
        tuple[str, ...], means("Further claims with scopes; dots lead into tables: resource_access.broker.roles.")
    ] = ()
    preferred_username_claims: Annotated[
        tuple[str, ...], means("Claims with the user's name, before sub and client_id.")
    ] = ()
    keys: Annotated[
        tuple[TokenKeySettings, ...], means("Keys in files of their own, also beside a set.", max_length=100)
    ] = ()
    scope_aliases: Annotated[
        tuple[ScopeAliasSettings, ...], means("Words of tokens that stand for scopes.", max_length=1000)
    ] = ()
