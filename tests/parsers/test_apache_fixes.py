"""Changes of Apache configurations: each removes its defect, and Apache accepts the result."""

import subprocess
from pathlib import Path

import pytest
from conftest import needs
from parsers.fixed import applied, fixes, troubles

from wsbook.programs import find_program

MODULES = "mpm_event authz_core proxy proxy_http proxy_wstunnel rewrite headers alias setenvif slotmem_shm proxy_balancer"
MODULES += " lbmethod_byrequests ssl http2"
LONG = "Timeout 3600\n"
PAIR = "RewriteCond %{HTTP:Upgrade} =websocket [NC]\nRewriteRule ^/?(.*) ws://127.0.0.1:5000/$1 [P,L]\n"
PLAIN = "ProxyPass / http://127.0.0.1:5000/\n"
POOL = "<Proxy balancer://c>\n  BalancerMember http://127.0.0.1:1\n  BalancerMember http://127.0.0.1:2\n</Proxy>\n"
MISSING = {"proxy.upgrade-header-missing"}

BROKEN = {
    "plain ProxyPass": (LONG + PLAIN, "", MISSING),
    "plain ProxyPass, new": (LONG + PLAIN, "2.4.62", MISSING),
    "plain ProxyPass of a path": (LONG + "ProxyPass /live http://127.0.0.1:5000/live\n" + PLAIN, "", MISSING),
    "plain Location": (LONG + "<Location /ws>\n  ProxyPass http://127.0.0.1:1/ws\n</Location>\n", "", MISSING),
    "upgrade=NONE": (LONG + "ProxyPass /ws http://127.0.0.1:1/ws upgrade=NONE\n", "2.4.62", MISSING),
    "balancer": (LONG + POOL + "ProxyPass /live balancer://c/live\n", "2.4.62", MISSING),
    "header removed": (LONG + "RequestHeader unset Upgrade\nProxyPass /ws ws://127.0.0.1:1/ws\n", "", MISSING),
    "limit by default": ("ProxyPass /ws ws://127.0.0.1:1/ws\n", "", {"idle"}),
    "limit of a rewrite rule": ("RewriteEngine On\n" + PAIR + "ProxyTimeout 5\n" + PLAIN, "", {"idle"}),
    "limit of a worker": ("ProxyPass /ws ws://127.0.0.1:1/ws timeout=70\n", "", {"idle"}),
    "order": (
        LONG + PLAIN + "ProxyPassReverse / http://127.0.0.1:5000/\nProxyPass /ws ws://127.0.0.1:1/ws\n"
        "ProxyPassReverse /ws ws://127.0.0.1:1/ws\n",
        "", {"apache.proxypass-shadowed"},
    ),
    "Location before": (
        LONG + "<Location />\n  ProxyPass http://127.0.0.1:5000/\n</Location>\nProxyPass /ws ws://127.0.0.1:1/ws\n", "",
        {"apache.proxypass-shadowed"},
    ),
    "rewrite to http": (LONG + "RewriteEngine On\n" + PAIR.replace("ws://", "http://") + PLAIN, "", MISSING),
    "engine off": (LONG + PAIR + PLAIN, "", {"apache.rewrite-engine-off"}),
    "path lost": (LONG + "RewriteEngine On\n" + PAIR.replace("$1", "") + PLAIN, "", {"apache.rewrite-drops-path"}),
    "variable unmarked": (
        LONG + "RewriteEngine On\n" + PAIR.replace("/$1", "/{REQUEST_URI}") + PLAIN, "", {"apache.variable-unmarked"},
    ),
    "case": (
        LONG + "RewriteEngine On\n" + PAIR.replace("=websocket [NC]", "^WebSocket$") + PLAIN, "", {"apache.handshake-test-too-strict"},
    ),
    "Firefox": (
        LONG + "RewriteEngine On\nRewriteCond %{HTTP:Connection} ^Upgrade$ [NC,OR]\n" + PAIR + PLAIN, "",
        {"apache.handshake-test-too-strict"},
    ),
    "no P": (LONG + "RewriteEngine On\n" + PAIR.replace("[P,L]", "[L]") + PLAIN, "", {"apache.rewrite-without-proxy"} | MISSING),
    "slash of the context": (
        LONG + "RewriteEngine On\n" + PAIR.replace("^/?", "^ws/") + PLAIN, "", {"apache.rewrite-never-matches"},
    ),
    "HTTP/2": (LONG + "ProxyPass /ws h2c://127.0.0.1:1/ws\n", "", {"apache.h2-to-upstream"} | MISSING),
    "plain to 443": (LONG + "SSLProxyEngine On\nProxyPass /ws ws://127.0.0.1:443/ws\n", "", {"apache.plain-to-tls-port"}),
    "TLS to 80": (LONG + "SSLProxyEngine On\nProxyPass /ws wss://127.0.0.1:80/ws\n", "", {"apache.tls-to-plain-port"}),
    "no SSLProxyEngine": (LONG + "ProxyPass /ws wss://127.0.0.1:1/ws\n", "", {"apache.ssl-proxy-engine-off"}),
    "no affinity": (
        LONG + POOL.replace("http:", "ws:") + "ProxyPass /socket.io balancer://c/socket.io\n", "", {"apache.no-stickiness"},
    ),
    "glued": (LONG + "ProxyPass /ws/ ws://127.0.0.1:1/ws\n", "", {"apache.slash-glued"}),
    "scheme ws": (
        LONG + "RequestHeader set X-Forwarded-Proto wss\nProxyPass /ws ws://127.0.0.1:1/ws\n", "", {"apache.forwarded-proto-wrong"},
    ),
    "too new": (
        LONG + "ProxyPass /ws http://127.0.0.1:1/ws upgrade=websocket\n", "2.4.46", {"apache.upgrade-parameter-too-new"},
    ),
    "subprotocol dropped": (
        LONG + "RequestHeader unset Sec-WebSocket-Protocol\nProxyPass /ws ws://127.0.0.1:1/ws\n", "", {"proxy.drops-subprotocol"},
    ),
}  # fmt: skip


def server(host: str) -> str:
    """Return a whole configuration around the lines of a host; a module that Apache does not have is left out."""
    folder = Path("/usr/lib/apache2/modules")
    known = [name for name in MODULES.split() if (folder / f"mod_{name}.so").exists()]
    loads = "".join(f"LoadModule {name}_module {folder}/mod_{name}.so\n" for name in known)
    return f"ServerName a.test\nErrorLog error.log\nPidFile pid\n{loads}Listen 127.0.0.1:8080\n<VirtualHost *:8080>\n{host}</VirtualHost>\n"


@pytest.mark.parametrize(("host", "version", "expected"), BROKEN.values(), ids=BROKEN)
@needs("apache2")
def test_the_fixes_remove_their_defects_and_are_accepted(host: str, version: str, expected: set[str], tmp_path: Path) -> None:
    text = server(host)
    assert troubles(text, "apache_conf", version=version) == expected
    while found := dict(fixes(text, "apache_conf", version=version)):
        trouble, fix = found.popitem()
        assert trouble in expected
        text = applied(text, fix)
        (tmp_path / "a.conf").write_text(text)
        command = [str(find_program("apache2")), "-t", "-d", str(tmp_path), "-f", "a.conf"]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)
        assert shown.returncode == 0, shown.stderr + text
    assert troubles(text, "apache_conf", version=version) == set()


def test_a_module_is_loaded_where_the_others_are() -> None:
    text = "LoadModule proxy_module modules/mod_proxy.so\nListen 80\nProxyPass /ws ws://a:1/ws timeout=3600\n"
    ((_, fix),) = fixes(text, "apache_conf")
    assert "LoadModule proxy_wstunnel_module modules/mod_proxy_wstunnel.so" in applied(text, fix)
    commented = text.replace("Listen", "#LoadModule proxy_wstunnel_module x.so\nListen")
    ((_, fix),) = fixes(commented, "apache_conf")
    assert "\nLoadModule proxy_wstunnel_module x.so\n" in applied(commented, fix)
