"""Secrets as people and vendors write them are found, words of diagnosis are not, in time that grows with the text alone."""

import random
import time

import pytest
from secret_kinds import KINDS, Kind, secrets_of
from secret_places import lines_of
from secret_search import found_in, parts_of

from wsbook.secret_forms import HIDDEN, hide_secrets, looks_random, names_secret

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJzdXBhYmFzZSIsInJvbGUiOiJhbm9uIn0.dU1qF0h3TGN4c2VjcmV0c2ln"

# Made up, in the form of the vendors; written in two pieces so that no scanner of repositories takes them for real ones.
REAL = [
    ("stripe: sk_live_" + "51H8aQ2Lk9vTzXwPq4Rn7YbMc", "51H8aQ2Lk9vTzXwPq4Rn7YbMc"),
    ("STRIPE_WEBHOOK=whsec_" + "8Kd02jQpL5tVnR3sXw7YzAb1", "8Kd02jQpL5tVnR3sXw7YzAb1"),
    ("remote: https://x-access-token:ghs_" + "16C7e42F292c6912E7710c838347Ae178B4a@github.com/a/b", "16C7e42F292c6912E7710c838347Ae178B4a"),
    ("Authorization: token ghp_" + "16C7e42F292c6912E7710c838347Ae178B4a", "16C7e42F292c6912E7710c838347Ae178B4a"),
    ("SLACK xoxb-" + "123456789012-1234567890123-AbCdEfGhIjKlMnOpQrStUvWx", "AbCdEfGhIjKlMnOpQrStUvWx"),
    ("POST https://hooks.slack.com/services/" + "T00AB12CD/B00EF34GH/9zYxWv8uTsRq7PoNm6LkJiHg", "9zYxWv8uTsRq7PoNm6LkJiHg"),
    ("https://discord.com/api/webhooks/" + "1122334455/aB3dE5fG7hI9jK1lM3nO5pQ7", "aB3dE5fG7hI9jK1lM3nO5pQ7"),
    ('apiKey: "AIza' + 'SyD4n8kQ2vXw7YtR5pLm3BcZ1aSdF6gH9jK0"', "SyD4n8kQ2vXw7YtR5pLm3BcZ1aSdF6gH9jK0"),
    (f"wss://abc.supabase.co/realtime/v1/websocket?apikey={JWT}&vsn=1.0.0", "eyJpc3MiOiJzdXBhYmFzZSIsInJvbGUiOiJhbm9uIn0"),
    ("PUSHER_APP_SECRET=7f3a9c1e5b2d8046aa17", "7f3a9c1e5b2d8046aa17"),
    ("new Pusher('a1b2c3d4e5f60718293a', { secret: '0f9e8d7c6b5a43210fed' })", "0f9e8d7c6b5a43210fed"),
    ('{"event":"pusher:subscribe","data":{"auth":"a1b2c3:3b7e9f0c2d4a6581e0f9","channel":"private-x"}}', "3b7e9f0c2d4a6581e0f9"),
    ("new Ably.Realtime('xVLyHw.DQrNxQ:" + "xqN0mIhk3hGv7bPd8sTz2LwR')", "xqN0mIhk3hGv7bPd8sTz2LwR"),
    (f"wss://x.service.signalr.net/client/?hub=chat&access_token={JWT}", "dU1qF0h3TGN4c2VjcmV0c2ln"),
    ("Endpoint=https://x.service.signalr.net;AccessKey=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4MTIzNDU2Nzg=;Version=1.0;", "Zm9vYmFyYmF6cXV4Zm9v"),
    (
        "wss://x-ats.iot.eu-west-1.amazonaws.com/mqtt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260312T100000Z&X-Amz-Signature="
        "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024",
        "fe5f80f77d5fa3beca038a248ff027d0445342fe2855ddc963176630326f1024",
    ),
    ("?X-Amz-Credential=AKIA" + "IOSFODNN7EXAMPLE%2F20260312%2Feu-west-1%2Fiotdevicegateway%2Faws4_request", "IOSFODNN7EXAMPLE"),
    ("?X-Amz-Security-Token=IQoJb3JpZ2luX2VjEHoaCXVzLWVhc3QtMSJHMEUCIQ", "IQoJb3JpZ2luX2VjEHoaCXVzLWVhc3QtMSJHMEUCIQ"),
    ("aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    (f"Cookie: CF_Authorization={JWT}; lang=en", "eyJpc3MiOiJzdXBhYmFzZSIsInJvbGUiOiJhbm9uIn0"),
    (
        "cookie: laravel_session=eyJpdiI6IkFhQmJDYyIsInZhbHVlIjoiWHl6In0%3D; XSRF-TOKEN=eyJpdiI6Ik1tTm5Pbw%3D%3D",
        "eyJpdiI6IkFhQmJDYyIsInZhbHVl",
    ),
    ("Set-Cookie: csrftoken=Kp3mX9vQ2wZr7TnB; expires=Fri, 12 Mar 2027 10:00:00 GMT; Max-Age=31449600; Path=/", "Kp3mX9vQ2wZr7TnB"),
    ("sessionid=q1w2e3r4t5y6u7i8o9p0 for user 5", "q1w2e3r4t5y6u7i8o9p0"),
    ("connect.sid=s%3AaBcDeFgHiJ.kLmNoPqRsT", "aBcDeFgHiJ.kLmNoPqRsT"),
    ("GET /app/ws;jsessionid=7F3A9C1E5B2D8046AA17?room=1 HTTP/1.1", "7F3A9C1E5B2D8046AA17"),
    ("PHPSESSID=u8k3n2m5p7q9r1s4t6v0", "u8k3n2m5p7q9r1s4t6v0"),
    ("https_proxy=http://alice:Winter2026@proxy.example:3128", "Winter2026"),
    ("proxy alice:Winter2026@proxy.example:3128 refused", "Winter2026"),
    (f"Authorization: Bearer {JWT} (from /var/run/secrets/kubernetes.io/serviceaccount/token)", "dU1qF0h3TGN4c2VjcmV0c2ln"),
    ("    client-key-data: LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlF", "LS0tLS1CRUdJTiBSU0Eg"),
    ("    token: sha256~Qm9vdHN0cmFwVG9rZW4xMjM0NTY3ODkw", "Qm9vdHN0cmFwVG9rZW4xMjM0NTY3ODkw"),
    ("DSN=postgres://svc:9f!kLm2x@db.internal:5432/live?sslmode=require", "9f!kLm2x"),
    ("amqp://guest:rabbit77@mq/", "rabbit77"),
    ('1741773600.1 [0 10.0.0.4:5000] "AUTH" "hunter2hunter2"', "hunter2hunter2"),
    ("AUTH PLAIN AGFsaWNlAHMzY3IzdHBhc3M=", "AGFsaWNlAHMzY3IzdHBhc3M="),
    ("requirepass S3cur3Redis", "S3cur3Redis"),
    ("--requirepass letmein99 --port 6379", "letmein99"),
    ("  - SMTP_PASS=q7Zp-33xk", "q7Zp-33xk"),
    ("password: letmein", "letmein"),
    ("admin:$apr1$Zk3x9Q2w$7YtR5pLm3BcZ1aSdF6gH9.", "7YtR5pLm3BcZ1aSdF6gH9"),
    ("Sec-WebSocket-Protocol: base64url.bearer.authorization.k8s.io.aHR0cHM6Ly9leGFtcGxl, base64.binary.k8s.io", "aHR0cHM6Ly9leGFtcGxl"),
    ('42["authenticate",{"token":"k3J9s0QwErTy"}]', "k3J9s0QwErTy"),
    ('{"type":"connection_init","payload":{"headers":{"x-hasura-admin-secret":"myadminsecretkey"}}}', "myadminsecretkey"),
    ("CONNECT\nlogin:guest\npasscode:guest1234\n\n", "guest1234"),
    ("curl -u alice:Winter2026 https://example.test", "Winter2026"),
    ("x-goog-iap-jwt-assertion: " + JWT, "dU1qF0h3TGN4c2VjcmV0c2ln"),
    ("//registry.npmjs.org/:_authToken=npm_" + "Ab12Cd34Ef56Gh78Ij90Kl12Mn34Op56Qr78", "Ab12Cd34Ef56Gh78"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE", "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAE"),
]
"""What stood in tickets, configurations and recordings, with the part that must not stay."""

KEEPS = [
    "proxy_set_header Connection $connection_upgrade;",
    "proxy_set_header Authorization $http_authorization;",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "X-Request-Id: 7f3a9c1e5b2d8046aa17",
    "X-Amz-Date: 20260312T100000Z",
    "wss://host:8443/ws?room=5&EIO=4",
    "ws://127.0.0.1:8000/ws",
    "proxy_pass http://10.0.0.5:8000;",
    "unexpected token < in JSON at position 0",
    "SyntaxError: Unexpected token 'e', \"error\" is not valid JSON",
    "401 invalid token",
    "token expired",
    "jwt expired at 2026-03-12T10:00:00.000Z",
    "token: string;",
    "const token = await getToken();",
    "new WebSocket(`wss://host/ws?token=${token}`)",
    "io(url, { auth: { token: this.auth.token } })",
    "os.environ['WS_TOKEN']",
    "token=$arg_token",
    'SetEnv WS_TOKEN "${WS_TOKEN}"',
    "Authorization: Bearer <token>",
    "access_token_expires_in: 3600",
    "password_file: /run/secrets/db",
    "close code: 4001",
    "close code 1006 after 60.1 s",
    "statusCode: 400, errorCode=ECONNRESET",
    "auth.token-expired-on-reconnect",
    "auth.credential-not-sent",
    "handshake.timeout proxy.upgrade-header-missing",
    "Set-Cookie: Path=/; Max-Age=60; SameSite=Lax",
    "Sec-WebSocket-Protocol: graphql-transport-ws, v12.stomp, actioncable-v1-json, wamp.2.msgpack.batched",
    "Authentication failed for user 5",
    "session lifetime 3600 s, stickiness by cookie for 86400 s",
    "ssl_certificate_key /etc/ssl/private/app.key;",
    "hash $cookie_sessionid consistent;",
    "http-request deny unless { req.hdr(Authorization) -m found }",
    "{ key: order.id, value: 5 }",
    "secret rotation is enabled",
    "Basic authentication required",
    'WWW-Authenticate: Bearer realm="app", error="invalid_token"',
    "keepalive 32;",
    "wsbook-probe 3f2a9c17d4e8",
    "10:00:00@12",
    "mailto:someone@example.test",
    "node:lts@sha256",
    "[client 10.0.0.1:51000] AH02429: Response header name 'x' contains invalid characters",
    "docker.io/app@sha256:7f3a9c1e5b2d8046aa177f3a9c1e5b2d",
    "PING 'b3 7a 12 01' [binary, 4 bytes]",
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
]
"""Words and values that diagnosis lives on."""

NASTY = (
    *("a.", "a-", "key=", "token=", "tokena=", "://a:", "a:", "Cookie a=", "Bearer ", "eyJaaaaa.", "-----BEGIN PRIVATE KEY-----", "\\"),
    *(
        '\\"',
        "%25",
        "\n",
        " ",
        "Authorization:",
        "QUJD",
        "key:a.",
        "password=$",
        ' token " , ',
        "a:aaaa@",
        "Sec-WebSocket-Protocol: ",
        " AUTH",
    ),
)


@pytest.mark.parametrize(("text", "secret"), REAL, ids=[f"{number}-{row[0][:24]!r}" for number, row in enumerate(REAL)])
def test_what_vendors_and_people_write_is_hidden(text: str, secret: str) -> None:
    shown = hide_secrets(text)
    assert HIDDEN in shown
    assert not found_in(shown, parts_of([secret]))


@pytest.mark.parametrize("text", KEEPS)
def test_words_of_diagnosis_stay(text: str) -> None:
    assert hide_secrets(text) == text


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_two_hundred_secrets_of_each_kind_are_hidden_in_every_notation(kind: Kind) -> None:
    for secret in secrets_of(kind, 200):
        parts = parts_of([secret.private])
        for line in lines_of(secret):
            shown = hide_secrets(line)
            assert not found_in(shown, parts), f"{line!r} is shown as {shown!r}"


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_text_that_was_cut_off_gives_nothing_away(kind: Kind) -> None:
    """Parsers cap what they keep: a secret may have lost its end."""
    chance = random.Random(5)
    for secret in secrets_of(kind, 20, seed=1):
        for line in lines_of(secret):
            for end in chance.sample(range(len(line)), 3):
                assert not found_in(hide_secrets(line[:end]), parts_of([secret.private])), f"{line[:end]!r}"


@pytest.mark.parametrize("piece", NASTY)
def test_the_time_grows_with_the_text_alone(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * (length // len(piece) + 1))[:length]
        started = time.process_time()
        hide_secrets(text)
        return time.process_time() - started

    seconds(1_000)
    assert seconds(100_000) < 4.0


@pytest.mark.parametrize(
    ("text", "random_made"),
    [
        ("KqT0pDk2eVvAAAB", True),
        ("7f3a9c1e5b2d8046", True),
        ("graphqlTransportWs", False),
        ("idle_timeout.timeout_seconds", False),
        ("1741773600000", False),
        ("TicketAuthentication", False),
    ],
)
def test_what_is_made_at_random_is_told_from_words(text: str, random_made: bool) -> None:
    assert looks_random(text) is random_made


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("X-Api-Key", True),
        ("x-hasura-admin-secret", True),
        ("accessToken", True),
        ("Sec-WebSocket-Key", False),
        ("token_endpoint", False),
        ("Content-Type", False),
        ("password_file", False),
        ("", False),
    ],
)
def test_names_tell_of_secrets(name: str, secret: bool) -> None:
    assert names_secret(name) is secret
