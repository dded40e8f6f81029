"""Secrets as people have them, made at random: what they look like, and under which names they stand where.

A kind's ``make`` returns one secret; the names say how it is written in a header, a query, a cookie, a field of JSON or a setting.
``shown`` marks what everybody may know of it: the fixed beginning of a vendor's key, the first part of a JSON Web Token.
"""

import base64
import json
import random
import string
from collections.abc import Callable

from msgspec import Struct

__all__ = ["KINDS", "Kind", "Secret", "secrets_of"]

_WORD = string.ascii_letters + string.digits
_URLSAFE = _WORD + "-_"


class Kind(Struct, frozen=True, kw_only=True):
    """One kind of secret. header: name and value with {} for the secret; query, cookie, field, setting: names.

    private: the part of a secret of this kind that nobody may see, by default the whole.
    """

    name: str
    make: Callable[[random.Random], str]
    header: tuple[str, str]
    query: str
    cookie: str
    field: str
    setting: str
    value: str = "{}"
    lines: tuple[str, ...] = ()
    private: Callable[[str], str] = str


class Secret(Struct, frozen=True, kw_only=True):
    """One made secret with its kind."""

    kind: Kind
    text: str

    @property
    def private(self) -> str:
        """What must not be found anywhere."""
        return self.kind.private(self.text)

    @property
    def value(self) -> str:
        """The secret as it stands behind its name in fields and settings."""
        return self.kind.value.format(self.text)

    @property
    def header(self) -> tuple[str, str]:
        """Name and value of the header that carries it."""
        return self.kind.header[0], self.kind.header[1].format(self.text)


def _of(letters: str, least: int, most: int) -> Callable[[random.Random], str]:
    return lambda chance: "".join(chance.choices(letters, k=chance.randint(least, most)))


def _words(prefixes: tuple[str, ...], letters: str, least: int, most: int) -> Callable[[random.Random], str]:
    return lambda chance: chance.choice(prefixes) + "".join(chance.choices(letters, k=chance.randint(least, most)))


def _b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _jwt(chance: random.Random) -> str:
    claims = {"sub": str(chance.randrange(10**9)), "name": "".join(chance.choices(_WORD, k=8)), "exp": chance.randrange(10**9, 2 * 10**9)}
    head = _b64url(json.dumps({"alg": chance.choice(["HS256", "RS256"]), "typ": "JWT"}).encode())
    return ".".join((head, _b64url(json.dumps(claims).encode()), _b64url(chance.randbytes(32))))


def _after_first_dot(token: str) -> str:
    return token.partition(".")[2]


def _basic(chance: random.Random) -> str:
    user, password = "".join(chance.choices(_WORD, k=6)), "".join(chance.choices(_WORD + "!$%+", k=chance.randint(9, 20)))
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def _password(chance: random.Random) -> str:
    return "".join(chance.choices(_WORD, k=4) + chance.choices(_WORD + "!$*+-_.~%^", k=chance.randint(6, 16)) + chance.choices(_WORD, k=2))


def _signed_cookie(chance: random.Random) -> str:
    return f"s%3A{''.join(chance.choices(_URLSAFE, k=32))}.{''.join(chance.choices(_WORD, k=40))}%2B"


def _pem(chance: random.Random) -> str:
    label = chance.choice(["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY", "OPENSSH PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
    body = base64.b64encode(chance.randbytes(chance.randint(118, 600))).decode()
    lines = [body[start : start + 64] for start in range(0, len(body), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"])


def _pem_body(text: str) -> str:
    return "".join(line for line in text.split("\n") if not line.startswith("-----"))


_VENDORS = (
    "ghp_",
    "gho_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "sk_live_",
    "sk_test_",
    "rk_live_",
    "whsec_",
    "glpat-",
    "AIza",
    "npm_",
    "SG.",
    "hf_",
    "sk-proj-",
    "dop_v1_",
)


def _vendor(chance: random.Random) -> str:
    return chance.choice(_VENDORS) + "".join(chance.choices(_WORD, k=chance.randint(24, 40)))


def _without_vendor(text: str) -> str:
    return next(text[len(prefix) :] for prefix in sorted(_VENDORS, key=len, reverse=True) if text.startswith(prefix))


KINDS = (
    Kind(
        name="bearer token",
        make=_of(_URLSAFE + ".~", 24, 60),
        header=("Authorization", "Bearer {}"),
        query="access_token",
        cookie="access_token",
        field="authorization",
        setting="AUTH_TOKEN",
        value="Bearer {}",
        lines=(
            "> Authorization: Bearer {}",
            "curl -H 'Authorization: Bearer {}' https://api.example/v1",
            "headers={{'Authorization': 'Bearer {}'}}",
        ),
    ),
    Kind(
        name="basic credentials",
        make=_basic,
        header=("Authorization", "Basic {}"),
        query="authorization",
        cookie="auth",
        field="Authorization",
        setting="PROXY_AUTHORIZATION",
        value="Basic {}",
        lines=("< Proxy-Authorization: Basic {}", "authorization=Basic {}"),
    ),
    Kind(
        name="API key",
        make=_of(string.hexdigits.lower()[:16], 32, 40),
        header=("X-Api-Key", "{}"),
        query="api_key",
        cookie="apikey",
        field="apiKey",
        setting="SERVICE_API_KEY",
        lines=("X-API-Key: {}", "apiKey={} region=eu", "using api key {}"),
    ),
    Kind(
        name="JSON Web Token",
        make=_jwt,
        header=("Cf-Access-Jwt-Assertion", "{}"),
        query="jwt",
        cookie="CF_Authorization",
        field="idToken",
        setting="ID_JWT",
        private=_after_first_dot,
        lines=("jwt malformed: {}", "user connected with {} from 10.0.0.4", "401 [{}]"),
    ),
    Kind(
        name="session cookie",
        make=_signed_cookie,
        header=("Cookie", "theme=dark; connect.sid={}; lang=en"),
        query="sid",
        cookie="connect.sid",
        field="sessionId",
        setting="SESSION_ID",
        lines=("Cookie: connect.sid={}; theme=dark", "Set-Cookie: PHPSESSID={}; Path=/; HttpOnly", "session id: {}"),
    ),
    Kind(
        name="query token",
        make=_of(_URLSAFE, 16, 40),
        header=("X-Auth-Token", "{}"),
        query="token",
        cookie="token",
        field="token",
        setting="WS_TOKEN",
        lines=('"GET /ws?room=1&token={} HTTP/1.1" 403 12', "ticket={} expired", "/socket?ticket={}"),
    ),
    Kind(
        name="password in a URL",
        make=_password,
        header=("X-Upstream-Password", "{}"),
        query="password",
        cookie="password",
        field="password",
        setting="DATABASE_PASSWORD",
        lines=("connecting to postgres://app:{}@db.example:5432/app", "redis://:{}@cache:6379/0", "DATABASE_URL=mysql://root:{}@db/app"),
    ),
    Kind(
        name="subprotocol token",
        make=_of(_URLSAFE, 24, 48),
        header=("Sec-WebSocket-Protocol", "access_token, {}"),
        query="access-token",
        cookie="ws_token",
        field="authToken",
        setting="REACT_APP_WS_AUTH_TOKEN",
        lines=("Sec-WebSocket-Protocol: access_token, {}", "sec-websocket-protocol: graphql-ws, bearer.{}"),
    ),
    Kind(
        name="vendor key",
        make=_vendor,
        header=("X-Vendor", "{}"),
        query="v",
        cookie="v",
        field="v",
        setting="VENDOR",
        private=_without_vendor,
        lines=("request failed for {}", "using {} now", "key:{}"),
    ),
    Kind(
        name="private key",
        make=_pem,
        header=("X-Nothing", "{}"),
        query="key",
        cookie="key",
        field="privateKey",
        setting="TLS_PRIVATE_KEY",
        private=_pem_body,
    ),
)
"""The ten kinds. A secret of the last has several lines; places that cannot hold these take it with \\n for line breaks."""


def secrets_of(kind: Kind, count: int, seed: int = 0) -> list[Secret]:
    """Return as many secrets of a kind, always the same for a seed."""
    chance = random.Random(f"{kind.name} {seed}")
    return [Secret(kind=kind, text=kind.make(chance)) for _ in range(count)]
