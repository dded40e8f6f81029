"""Whole nginx configurations at random: every kind of location, fallback, rewrite, variable and inheritance, always valid.

Each block that can answer says where it stands in the header X-Block; ``@HERE@`` becomes its file and line when the files are written.
"""

from pathlib import Path
from random import Random

PREFIXES = ["/", "/ws", "/ws/", "/live", "/live/", "/api", "/api/", "/api/v1/", "/socket.io/", "/app/"]
EXPRESSIONS = ["^/ws", "^/ws/(.*)$", r"\.js$", "/feed$", "^/(?<part>api|app)/(.+)$", "LIVE", "^/api/v[0-9]+/", r"^/(\w+)/(\w+)"]
NAMES = ["a.example", "*.b.example", "www.*", r"~^(?<sub>\w+)\.c\.example$", ".d.example", "_", '""', "x.b.example", "*.example"]
HOSTS = ["a.example", "x.b.example", "y.b.example", "www.q", "foo.c.example", "d.example", "y.d.example", "none.test", "A.Example"]
PATHS = [
    *("/ws", "/ws/", "/ws/chat", "/ws/chat?room=1", "/live", "/live/feed", "/Live/x", "/api/ws", "/api/v1/ws", "/api/v2/feed", "/app/x"),
    *(
        "/socket.io/?EIO=4&transport=websocket",
        "/x",
        "/ws/a.js",
        "//ws//chat",
        "/a/../ws",
        "/ws/%41b",
        "/socket.io",
        "/api/v1",
        "/app/a/b/c",
    ),
]
UPSTREAMS = ["b1", "b2", "b3", "b4"]
MAPS = """map $http_upgrade $connection_upgrade { default upgrade; '' close; }
map $http_upgrade $passed { ~*^WEB $http_upgrade; default ""; }
map $http_upgrade $wrong { websocket close; default upgrade; }
map $uri $by_uri { %s default b1; /ws b2; ~^/live b3; ~^/api/(?<rest>.*)$ b4; }
map $host $by_host { hostnames; default b1; .b.example b2; *.example b3; www.* b4; }
map "$request_method:$host" $by_both { ~^GET:(\\w+)\\.c b2; "GET:a.example" b3; default b4; }
"""
HEADERS = {
    "Upgrade": ["$http_upgrade", '""', "$passed", "websocket", "$http_connection"],
    "Connection": ['"upgrade"', "$connection_upgrade", "$http_connection", '""', "close", "$wrong", "Upgrade"],
    "Host": ["$host", "$http_host", "$proxy_host", "internal.example", "$host:$server_port"],
    "Origin": ['""', "$http_origin", "http://$host"],
    "X-A": ["b"],
}


class Maker:
    """Makes one configuration. files: name in the folder → text; ports: of listeners; backends: upstream name → its ports in use."""

    def __init__(self, seed: int, ports: list[int], backends: list[int]) -> None:
        self.random = Random(seed)
        self.ports = ports
        self.files: dict[str, str] = {}
        self.backends = {name: [backends[i]] for i, name in enumerate(UPSTREAMS)}
        self.backends["b4"] = backends[2:4]
        self.count = 0

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    def make(self, folder: Path) -> None:
        """Fill files."""
        servers = [self.server(number) for number in range(self.random.randint(2, 4))]
        maps = MAPS % ("volatile;" if self.chance(0.5) else "")
        upstreams = "".join(f"upstream {name} {{ {self.members(name)} }}\n" for name in UPSTREAMS)
        temps = " ".join(f"{kind}_temp_path {folder}/t;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        self.files["nginx.conf"] = (
            f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log crit;\n"
            f"events {{ worker_connections 64; }}\nhttp {{\naccess_log off; root {folder}/root; {temps}\n"
            f"{self.included(maps)}\n{upstreams}{self.settings(0.4)}\n{''.join(servers)}}}\n"
        )

    def members(self, name: str) -> str:
        ports = [f"server 127.0.0.1:{port};" for port in self.backends[name]]
        return "".join(ports) + (" server 127.0.0.1:1 down; server 127.0.0.1:2 backup;" if name == "b4" else "")

    def included(self, text: str) -> str:
        """Put a text in a file of its own at times."""
        if "@" in text or not self.chance(0.3):
            return text
        self.count += 1
        self.files[f"parts/{self.count}-x.conf"] = text
        return f"include parts/{self.random.choice(['%d-x.conf', '%d-*.conf', '%d-?.conf']) % self.count};\n"

    def settings(self, share: float) -> str:
        """Return proxy settings of one level."""
        lines = []
        if self.chance(share):
            names = self.random.sample(list(HEADERS), self.random.randint(1, 4))
            lines += [f"proxy_set_header {name} {self.random.choice(HEADERS[name])};" for name in names]
        if self.chance(share):
            lines.append(f"proxy_http_version {self.random.choice(['1.0', '1.1', '1.1'])};")
        if self.chance(share):
            lines.append(f"proxy_read_timeout {self.random.choice(['7', '15s', '2m', '1h30m'])};")
        if self.chance(share / 5):
            lines.append("proxy_pass_request_headers off;")
        self.random.shuffle(lines)
        return self.included("\n".join(lines) + "\n") if lines else "\n"

    def server(self, number: int) -> str:
        names = self.random.sample(NAMES, self.random.randint(1, 2))
        port = self.ports[number % len(self.ports)]
        mark = " default_server" if number >= len(self.ports) and number < 2 * len(self.ports) and self.chance(0.5) else ""
        lines = [f"server {{ listen 127.0.0.1:{port}{mark}; add_header X-Block @HERE@ always;", f"server_name {' '.join(names)};"]
        lines += ["merge_slashes off;"] * self.chance(0.2) + ["recursive_error_pages on;"] * self.chance(0.2)
        lines += [self.settings(0.4), "set $target b2;"]
        lines += self.server_rewrites()
        lines.append(self.included("error_page 404 = @spare;\n") if self.chance(0.3) else "")
        lines += [self.location(text, "") for text in self.patterns(self.random.randint(2, 6), "")]
        lines += [self.named("@spare"), self.named("@socket")]
        return "\n".join(lines) + "\n}\n"

    def server_rewrites(self) -> list[str]:
        choices = [
            "if ($host = y.d.example) { return 403; }",
            "if ($http_upgrade = websocket) { set $target b3; }",
            "rewrite ^/x$ /ws/chat last;",
            "rewrite ^/live/(.*)$ /api/$1;",
            "rewrite ^/app/(.*)$ /ws/$1 break;",
            "if ($uri ~ ^/api/v1/(.*)$) { rewrite ^ /live/$1; }",
            "rewrite ^/api/v2 /ws?v=2 last;",
        ]
        return self.random.sample(choices, self.random.choice([0, 0, 0, 1, 2]))

    def patterns(self, number: int, inside: str) -> list[str]:
        """Return location heads, all different; those inside a prefix begin with it."""
        prefixes = [prefix for prefix in PREFIXES if prefix.startswith(inside)]
        found = {f"{self.random.choice(['', '', '', '^~ '])}{p}" for p in self.random.sample(prefixes, min(number, len(prefixes)))}
        found = {text for text in found if not (text.startswith("^~") and text[3:] in found)}
        found |= {f"= {self.random.choice(prefixes)}"} if prefixes and self.chance(0.4) else set()
        found |= {f"~ {p}" for p in self.random.sample(EXPRESSIONS, self.random.randint(0, 2))}
        found |= {f"~* {self.random.choice(EXPRESSIONS)}"} if self.chance(0.3) else set()
        texts = sorted(found)
        self.random.shuffle(texts)
        return texts[: number + 1]

    def location(self, head: str, outer: str) -> str:
        free = head.startswith("~")  # no path may stand in its proxy_pass
        body = [
            f"location {head.replace(head.split()[-1], quoted(head.split()[-1]))} {{ add_header X-Block @HERE@ always;",
            self.settings(0.3),
        ]
        body += self.steps() + self.handler(named=False, free=free)
        pattern = head.split()[-1]
        if len(outer) < 2 and not head.startswith("=") and self.chance(0.3):
            inner = self.patterns(2, "" if free else pattern)
            body += [self.location(text, outer + "x") for text in inner if (text[0] == "~" if free else text.split()[-1] != pattern)]
        return "\n".join(body) + "\n}\n"

    def named(self, name: str) -> str:
        body = [f"location {name} {{ add_header X-Block @HERE@ always;", self.settings(0.3), *self.steps(0.2)]
        return "\n".join([*body, *self.handler(named=True, free=True)]) + "\n}\n"

    def steps(self, share: float = 0.35) -> list[str]:
        """Return rewrite directives of a location."""
        choices = [
            "rewrite ^/ws/(.*)$ /$1 break;",
            "rewrite ^/api/(.*)$ /live/$1 last;",
            "rewrite ^/live /ws/chat;",
            "rewrite ^/(.*)$ /app/$1?more=1 break;",
            "rewrite ^/socket.io /app/z; break;",
            'if ($http_upgrade = "websocket") { set $target b4; }',
            "if ($http_upgrade ~* ^WebSocket$) { set $target b1; }",
            "if ($http_x_none) { return 403; }",
            "if ($request_uri ~ chat) { return 418; } error_page 418 = @socket;",
            "if ($request_method != GET) { return 405; }",
            "if (!-f $request_filename) { rewrite ^/api/v1/(.*)$ /api/$1 break; }",
            "if ($http_connection ~* upgrade) { add_header X-Block @HERE@ always; proxy_pass http://b3; }",
            "if ($arg_room) { rewrite ^ /room/$arg_room break; }",
        ]
        return self.random.sample(choices, self.random.randint(1, 2)) if self.chance(share) else []

    def handler(self, *, named: bool, free: bool) -> list[str]:
        name = self.random.choice(UPSTREAMS)
        address = f"127.0.0.1:{self.random.choice(self.backends['b4'])}"
        plain = [f"http://{name}", f"http://{address}", "http://$target", "http://$by_uri", "http://$by_host", "http://$by_both"]
        paths = [f"http://{name}/", f"http://{name}/p", f"http://{address}/p/", f"http://{name}:80/q/" if False else f"http://{name}/q/"]
        filled = [f"http://{name}$request_uri", "http://$target$uri", f"http://{name}/f/$1", "http://$target/g?$args"]
        target = self.random.choice(plain + plain + ([] if named or free else paths) + filled)
        proxied = f"proxy_pass {target};"
        others = ["try_files $uri =404;", "try_files $uri @socket;", "try_files $uri $uri/ /index.html;", "return 204;", "return 404;", ""]
        if named or self.chance(0.7):
            return [proxied] + (["try_files /none @spare;"] if not named and self.chance(0.1) else [])
        return [self.random.choice([*others, "internal;" + proxied, "deny all;" + proxied, "fastcgi_pass 127.0.0.1:3;"])]


def quoted(text: str) -> str:
    return f'"{text}"' if "{" in text else text


def write(maker: Maker, folder: Path) -> str:
    """Write the files and return the main one's text."""
    (folder / "root").mkdir(parents=True)
    (folder / "root" / "index.html").write_text("page")
    maker.make(folder)
    for name, text in maker.files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        lines = text.split("\n")
        path.write_text("\n".join(line.replace("@HERE@", f"{path}:{at}") for at, line in enumerate(lines, 1)))
    return (folder / "nginx.conf").read_text()
