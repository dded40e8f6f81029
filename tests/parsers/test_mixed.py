"""A paste that holds a configuration or code and what a program printed is read as both; one that is whole stays whole."""

from pathlib import Path

import pytest

from wsbook.facts import RouteFacts, SignatureFacts
from wsbook.parsers.mixed import split_paste
from wsbook.parsers.read import read_artifact, read_text

NGINX = """server {
    listen 80;
    error_log /var/log/nginx/error.log warn;
    location /rt {
        proxy_pass http://127.0.0.1:9000;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $http_upgrade;
        proxy_set_header Connection "upgrade";
    }
}
"""
REFUSED = (
    "2026/03/12 10:00:00 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 10.0.0.1, "
    'request: "GET /rt HTTP/1.1", upstream: "http://127.0.0.1:9000/rt"\n'
)
LABELS = "labels:\n  traefik.enable: true\n  traefik.port: 443\n  traefik.frontend.rule: Host:a.example\n"
PAGE = "<html>\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\n<hr><center>nginx</center>\n</html>\n"
NODE = "Error: unable to verify the first certificate\n"
SERVER = """import { WebSocketServer } from 'ws';
// 2026/03/12 10:00:00 [error] 7#7: *1 connect() failed (111: Connection refused) while connecting to upstream
const WORDS = {
  refused: 'connect() failed (111: Connection refused) while connecting to upstream',
};
const wss = new WebSocketServer({ port: 8080 });
"""
ANSWER = """$ curl -i https://a.example/
< HTTP/1.1 200 OK
<
<script>
const ws = new WebSocket('wss://a.example/rt');
ws.onmessage = (e) => show(e.data);
</script>
"""
NODE_STACK = """new WebSocket('wss://a.example/rt', [], { headers: { Accept: '*' } })
const ws = 1;
Error: Unexpected server response: 403
    at ClientRequest.<anonymous> (/app/node_modules/ws/lib/websocket.js:604:7)
"""


@pytest.mark.parametrize(
    ("text", "kind", "other"),
    [
        (NGINX + "\n" + REFUSED, "nginx_conf", "backend_log"),
        (LABELS + "\n" + PAGE, "traefik", "backend_log"),
        (NGINX + NODE, "nginx_conf", "backend_log"),
        (NGINX + "WebSocket connection to 'wss://a.example/rt' failed: \n", "nginx_conf", "browser_console"),
        (NGINX + "\n$ curl -i https://a.example/rt\n> GET /rt HTTP/1.1\n< HTTP/1.1 502 Bad Gateway\n", "http_dump", "nginx_conf"),
        (REFUSED * 9 + NGINX, "backend_log", "nginx_conf"),
        (NODE_STACK, "browser_console", "backend_source"),
        (NODE_STACK.splitlines()[0] + "\nconst ws = 1;\nError: it failed\n", "browser_console", "frontend_source"),
    ],
)
def test_two_kinds_are_told_apart(text: str, kind: str, other: str) -> None:
    assert [own for own, _ in split_paste(text, kind)] == [kind, other]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (NGINX, "nginx_conf"),
        (NGINX + "# " + REFUSED, "nginx_conf"),
        (REFUSED * 3, "backend_log"),
        (SERVER, "backend_source"),
        (ANSWER, "http_dump"),
    ],
)
def test_what_is_whole_stays_whole(text: str, kind: str) -> None:
    assert split_paste(text, kind) == ((kind, text),)


def test_lines_keep_their_numbers() -> None:
    (_, written), (_, printed) = split_paste(NGINX + REFUSED, "nginx_conf")
    assert written.splitlines()[:10] == NGINX.splitlines() and printed.splitlines()[10] + "\n" == REFUSED


def test_a_log_that_names_settings_is_a_log() -> None:
    text = '2026-06-01T10:00:02Z INF Updated to new configuration config="{"ingress":[{"service":"http_status:404"}]}"\n' * 2
    assert [kind for kind, _ in split_paste(text, "alb_attributes")] == ["backend_log"]


@pytest.mark.parametrize("name", ["server.js", "nginx.conf", "deploy.yaml"])
def test_a_file_whose_name_says_what_it_is_is_of_one_kind(name: str) -> None:
    assert len(split_paste(NGINX + REFUSED, "nginx_conf", name)) == 1


def test_both_parts_are_read(tmp_path: Path) -> None:
    for seen in (read_text(NGINX + REFUSED), read_artifact(str(_written(tmp_path / "paste.txt", NGINX + REFUSED)))):
        assert [one.facts.signature for one in seen if isinstance(one.facts, SignatureFacts)] == ["nginx-refused"]
        assert sum(isinstance(one.facts, RouteFacts) for one in seen) == 1
        assert {one.source.step for one in seen if one.source.step} >= {"1.4", "2.2"}


@pytest.mark.parametrize(
    "text", ["```nginx\n" + NGINX + "```\n", "`" + NGINX.strip() + "`", "My proxy:\n\n~~~\n" + NGINX + "~~~", "`" + NGINX]
)
def test_marks_of_code_are_no_part_of_it(text: str) -> None:
    (route,) = [one.facts for one in read_text(text) if isinstance(one.facts, RouteFacts)]
    assert route.line == 1 + text[: text.index("    location")].count("\n")


def test_lines_of_a_configuration_are_no_lines_of_the_log() -> None:
    text = REFUSED * 5 + "proxy_pass http://live/live/feed;\nproxy_http_version 1.1;\nproxy_set_header Host $host;\nserver_name a.b;\n"
    (_, printed), (other, _) = split_paste(text, "backend_log")
    assert other == "nginx_conf" and "proxy_pass" not in printed and printed.count("refused") == 5


def test_what_was_printed_counts_outside_of_marks_too() -> None:
    seen = read_text("My proxy server {\n```\n" + NGINX + "```\nand it says\n" + REFUSED)
    assert [one.facts.signature for one in seen if isinstance(one.facts, SignatureFacts)] == ["nginx-refused"]
    assert [one.facts.upgrade is not None for one in seen if isinstance(one.facts, RouteFacts)] == [True]


def test_a_kind_that_is_given_is_believed() -> None:
    assert not [one for one in read_text(NGINX + REFUSED, "nginx_conf") if isinstance(one.facts, SignatureFacts)]


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path
