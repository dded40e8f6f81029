"""Where secrets stand in what people hand over: configurations, logs, recordings, console texts, sources. One file a place and secret."""

import base64
import json
from collections.abc import Callable, Iterator
from urllib.parse import quote

from secret_kinds import Secret

__all__ = ["PLACES", "lines_of"]


def _flat(text: str) -> str:
    """Return a text of several lines as one, as JSON and variables hold it."""
    return text.replace("\n", "\\n")


def _header(secret: Secret) -> tuple[str, str]:
    name, value = secret.header
    return name, _flat(value)


def _query(secret: Secret) -> str:
    return f"{secret.kind.query}={quote(secret.text, safe='')}"


def lines_of(secret: Secret) -> Iterator[str]:
    """Yield single lines as programs print them and people paste them, each with the secret in it."""
    flat, value, (name, shown), setting = _flat(secret.text), _flat(secret.value), _header(secret), secret.kind.setting
    yield from (line.format(flat) for line in secret.kind.lines)
    if name not in ("X-Vendor", "X-Nothing"):
        yield f"{name}: {shown}"
        yield f"{name.lower()}: {shown}\\r\\nAccept: */*"
    yield f"GET /ws?room=1&{_query(secret)}&EIO=4 HTTP/1.1"
    yield f"wss://api.example.test/ws?{_query(secret)}"
    yield quote(f"https://api.example.test/ws?{_query(secret)}", safe="")
    yield json.dumps({"level": "info", secret.kind.field: value, "msg": "connected"})
    yield json.dumps({"msg": json.dumps({"type": "connection_init", "payload": {secret.kind.field: value}})})
    yield f"{{ {secret.kind.field}: '{value}', room: 4 }}"
    yield f"{{'{secret.kind.field}': '{value}', 'room': 4}}"
    yield f'{setting}="{value}"'
    yield f"export {setting}={flat}"
    yield f"{setting.lower().replace('_', '-')}: {flat}"
    yield f"  --{setting.lower().replace('_', '-')} {flat} --port 80"
    yield f"--{setting.lower().replace('_', '-')}={flat}"
    yield f"Cookie: theme=dark; {secret.kind.cookie}={quote(secret.text, safe='%')}"
    yield f'<meta name="x"> {setting}=&quot;{flat}&quot;'


def _nginx(secret: Secret) -> str:
    name, value = _header(secret)
    flat = _flat(secret.text)
    return (
        f"# {secret.kind.setting}={flat}\n"
        f'map $http_upgrade $connection_upgrade {{ default upgrade; "" close; }}\n'
        "server {\n  listen 80;\n  server_name app.example.test;\n"
        f'  location /ws {{\n    proxy_set_header {name} "{value}";\n'
        f"    proxy_pass http://user:{quote(secret.text, safe='')}@10.0.0.5:8000/ws?{_query(secret)};\n  }}\n"
        f"  location /old {{ return 301 https://app.example.test/ws?{_query(secret)}; }}\n}}\n"
    )


def _haproxy(secret: Secret) -> str:
    name, value = _header(secret)
    value = value.replace("\\", "\\\\").replace(" ", "\\ ").replace('"', '\\"')
    return (
        "global\n  daemon\ndefaults\n  mode http\n  timeout client 30s\n  timeout server 30s\n  timeout connect 5s\n"
        f"  stats auth admin:{_flat(secret.text)}\n"
        "frontend web\n  bind :80\n"
        f"  http-request set-header {name} {value}\n  default_backend app\n"
        "backend app\n  server one 10.0.0.5:8000\n"
        f"  http-request set-path /ws?{_query(secret)}\nuserlist admins\n  user admin insecure-password {_flat(secret.text)}\n"
    )


def _apache(secret: Secret) -> str:
    name, value = _header(secret)
    return (
        "<VirtualHost *:80>\n  ServerName app.example.test\n"
        f'  RequestHeader set {name} "{value}"\n  SetEnv {secret.kind.setting} "{_flat(secret.text)}"\n'
        f"  ProxyPass /ws http://user:{quote(secret.text, safe='')}@10.0.0.5:8000/ws?{_query(secret)}\n"
        f"  AuthLDAPBindPassword {_flat(secret.text)}\n</VirtualHost>\n"
    )


def _caddy(secret: Secret) -> str:
    name, value = _header(secret)
    return (
        f"app.example.test {{\n  # {secret.kind.setting} {_flat(secret.text)}\n  rewrite /ws /ws?{_query(secret)}\n"
        f'  reverse_proxy /ws 10.0.0.5:8000 {{\n    header_up {name} "{value}"\n  }}\n}}\n'
    )


def _traefik(secret: Secret) -> str:
    name, value = _header(secret)
    return (
        'http:\n  routers:\n    app:\n      rule: "PathPrefix(`/ws`)"\n      service: app\n      middlewares: [own]\n'
        f"  middlewares:\n    own:\n      headers:\n        customRequestHeaders:\n          {name}: {json.dumps(value)}\n"
        "  services:\n    app:\n      loadBalancer:\n        servers:\n"
        f'          - url: "http://user:{quote(secret.text, safe="")}@10.0.0.5:8000"\n'
    )


def _envoy(secret: Secret) -> str:
    name, value = _header(secret)
    return (
        "static_resources:\n  listeners:\n  - address: {socket_address: {address: 0.0.0.0, port_value: 80}}\n    filter_chains:\n"
        "    - filters:\n      - name: envoy.filters.network.http_connection_manager\n        typed_config:\n"
        '          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n'
        "          route_config:\n            virtual_hosts:\n            - name: app\n"
        '              domains: ["*"]\n              routes:\n'
        f'              - match: {{prefix: /ws}}\n                route: {{cluster: app, prefix_rewrite: "/ws?{_query(secret)}"}}\n'
        f"                request_headers_to_add:\n                - header: {{key: {name}, value: {json.dumps(value)}}}\n"
    )


def _kubernetes(secret: Secret) -> str:
    name, value = _header(secret)
    packed = base64.b64encode(secret.text.encode()).decode()
    return (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\ndata:\n"
        f"  {secret.kind.setting.lower()}: {packed}\n---\n"
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: app\n  annotations:\n"
        "    nginx.ingress.kubernetes.io/configuration-snippet: |\n"
        f"      proxy_set_header {name} {json.dumps(value)};\n      rewrite ^ /ws?{_query(secret)};\n"
        "spec:\n  ingressClassName: nginx\n  rules:\n  - http:\n      paths:\n      - path: /ws\n        pathType: Prefix\n"
        "        backend: {service: {name: app, port: {number: 80}}}\n---\n"
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app}\nspec:\n  template:\n    spec:\n      containers:\n"
        "      - name: app\n        image: app\n"
        f'        args: ["--{secret.kind.setting.lower().replace("_", "-")}", {json.dumps(secret.text)}]\n'
        f"        env:\n        - name: {secret.kind.setting}\n          value: {json.dumps(secret.text)}\n"
    )


def _access_log(secret: Secret) -> str:
    cookie = f"{secret.kind.cookie}={quote(secret.text, safe='%')}"
    when = "12/Mar/2026:10:00:0{} +0000"
    return "".join(
        f'10.0.0.4 - - [{when.format(number)}] "{method} /ws?room=1&{_query(secret)} HTTP/1.1" {status} 12 '
        f'"https://app.example.test/?{_query(secret)}" "Mozilla/5.0" "{cookie}"\n'
        for number, (method, status) in enumerate([("GET", 101), ("GET", 403), ("POST", 500)] * 3)
    )


def _backend_log(secret: Secret) -> str:
    texts = [
        "WebSocket connection rejected: {}",
        "handshake failed for {}",
        "Error: Unexpected server response: 401 {}",
        "client connected {}",
    ]
    lines = [
        f"2026-03-12T10:00:{number:02d}.000Z {'ERROR' if number % 2 else 'INFO'} {texts[number % len(texts)].format(line)}"
        for number, line in enumerate(lines_of(secret))
    ]
    trace = 'Traceback (most recent call last):\n  File "/app/ws.py", line 4, in connect\nValueError: {}'
    return "\n".join([*lines, trace.format(next(iter(lines_of(secret))))]) + "\n"


def _json_log(secret: Secret) -> str:
    name, value = secret.header
    entry = {
        "time": "2026-03-12T10:00:00Z", "level": "error", "msg": "websocket: bad handshake", "url": f"/ws?{_query(secret)}",
        "headers": {name: value}, "rawHeaders": [name, value], secret.kind.field: secret.value,
    }  # fmt: skip
    return "".join(json.dumps({**entry, "n": number}) + "\n" for number in range(4))


def _console(secret: Secret) -> str:
    flat = _flat(secret.text)
    return (
        f"WebSocket connection to 'wss://api.example.test/ws?{_query(secret)}' failed: Error during WebSocket handshake: "
        f"Unexpected response code: 403\n"
        f"app.js:14 WebSocket is already in CLOSING or CLOSED state. {{{secret.kind.field}: '{_flat(secret.value)}'}}\n"
        f"Firefox can’t establish a connection to the server at wss://api.example.test/ws?{_query(secret)}.\n"
        f"{secret.kind.setting}={flat} disconnected 1006\n"
    )


def _har(secret: Secret) -> str:
    name, value = secret.header
    url = f"wss://api.example.test/ws?room=1&{_query(secret)}"
    cookie = {"name": secret.kind.cookie, "value": secret.text, "path": "/", "httpOnly": True}
    message = json.dumps({"type": "connection_init", "payload": {secret.kind.field: secret.value}})
    pairs = (("Host", "api.example.test"), (name, value), ("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="))
    headers = [{"name": key, "value": content} for key, content in pairs]
    auth = json.dumps({secret.kind.field: secret.value})

    def entry(url: str, status: int, method: str = "GET") -> dict[str, object]:
        return {
            "startedDateTime": "2026-03-12T10:00:00.000Z", "time": 12.0,
            "_resourceType": "websocket" if url.startswith("ws") else "xhr",
            "request": {
                "method": method, "url": url, "httpVersion": "HTTP/1.1", "headers": headers,
                "queryString": [{"name": secret.kind.query, "value": secret.text}], "cookies": [cookie], "headersSize": -1, "bodySize": -1,
                "postData": {"mimeType": "text/plain", "text": message, "params": [{"name": secret.kind.query, "value": secret.text}]},
            },
            "response": {
                "status": status, "statusText": "", "httpVersion": "HTTP/1.1", "cookies": [cookie],
                "headers": [{"name": "Set-Cookie", "value": f"{secret.kind.cookie}={quote(secret.text, safe='%')}; Path=/; HttpOnly"}],
                "content": {"size": len(message), "mimeType": "application/json", "text": message},
                "redirectURL": f"https://api.example.test/?{_query(secret)}", "headersSize": -1, "bodySize": -1,
            },
            "cache": {}, "timings": {"send": 0, "wait": 1, "receive": 0},
            "_webSocketMessages": [
                {"type": "send", "time": 1773309600.1, "opcode": 1, "data": message},
                {"type": "receive", "time": 1773309600.2, "opcode": 2, "data": base64.b64encode(message.encode()).decode()},
                {"type": "receive", "time": 1773309600.3, "opcode": 1, "data": f'42["auth",{auth}]'},
            ] if status == 101 else [],
        }  # fmt: skip

    entries = [entry(url, 101), entry(url, 401), entry(url.replace("wss", "https"), 302, "POST")]
    return json.dumps({"log": {"version": "1.2", "creator": {"name": "WebInspector", "version": "1"}, "pages": [], "entries": entries}})


def _dump(secret: Secret) -> str:
    name, value = _header(secret)
    return (
        f"> GET /ws?{_query(secret)} HTTP/1.1\n> Host: api.example.test\n> Upgrade: websocket\n"
        f"> Connection: Upgrade\n> {name}: {value}\n>\n"
        f"< HTTP/1.1 401 Unauthorized\n< Set-Cookie: {secret.kind.cookie}={quote(secret.text, safe='%')}; Path=/\n"
        f"< Location: https://api.example.test/?{_query(secret)}\n<\n"
        f"{json.dumps({secret.kind.field: secret.value})}\n"
    )


def _frontend(secret: Secret) -> str:
    literal = json.dumps(secret.text)
    return (
        f"const {secret.kind.setting} = {literal};\n"
        f"const one = new WebSocket('wss://api.example.test/ws?room=1&{_query(secret)}');\n"
        f"const two = new WebSocket(`wss://app:{quote(secret.text, safe='')}@api.example.test/ws`, ['access_token', {literal}]);\n"
        f"const three = io('https://api.example.test', {{ auth: {{ {secret.kind.field}: {json.dumps(secret.value)} }} }});\n"
        f"one.onopen = () => one.send(JSON.stringify({{ {secret.kind.field}: {json.dumps(secret.value)} }}));\n"
        f"setInterval(() => {{ one.send({json.dumps(json.dumps({secret.kind.field: secret.value}))}) }}, 100);\n"
    )


def _backend(secret: Secret) -> str:
    name, value = secret.header
    literal = json.dumps(secret.text)
    return (
        f"import asyncio\nimport websockets\n\n{secret.kind.setting} = {literal}\n\n\nasync def main():\n"
        f"    async with websockets.connect('wss://app:{quote(secret.text, safe='')}@api.example.test/ws?{_query(secret)}',\n"
        f"            extra_headers={{{json.dumps(name)}: {json.dumps(value)}}}, subprotocols=['access_token', {literal}]) as ws:\n"
        f"        await ws.send({json.dumps(json.dumps({secret.kind.field: secret.value}))})\n\n\n"
        "async def handler(websocket):\n    async for message in websocket:\n        await websocket.send(message)\n\n\n"
        "async def serve():\n    async with websockets.serve(handler, '0.0.0.0', 8000):\n        await asyncio.Future()\n"
    )


PLACES: dict[str, tuple[str, str, Callable[[Secret], str]]] = {
    "nginx.conf": ("nginx_conf", "2.2", _nginx),
    "haproxy.cfg": ("haproxy_cfg", "2.2", _haproxy),
    "apache.conf": ("apache_conf", "2.2", _apache),
    "Caddyfile": ("caddyfile", "2.2", _caddy),
    "traefik.yml": ("traefik", "2.2", _traefik),
    "envoy.yaml": ("envoy", "2.2", _envoy),
    "ingress.yaml": ("k8s_ingress", "2.2", _kubernetes),
    "access.log": ("access_log", "1.4", _access_log),
    "backend.log": ("backend_log", "1.4", _backend_log),
    "json.log": ("backend_log", "1.4", _json_log),
    "console.txt": ("browser_console", "1.2", _console),
    "recording.har": ("har", "1.2", _har),
    "dump.txt": ("http_dump", "1.2", _dump),
    "client.js": ("frontend_source", "1.1", _frontend),
    "server.py": ("backend_source", "1.1", _backend),
}
"""File name → its kind of artifact, the step that reads it, and what makes its text."""
