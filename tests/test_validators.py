"""The proxies' own checks, on copies: what they accept, and what a hostile text cannot reach."""

from pathlib import Path

import pytest
from conftest import needs

from wsbook import confined, validators
from wsbook.validators import adapt_caddy, program_version, validate

PORT = 32099
NGINX = """pid @folder@/pid; events {{}}
http {{ access_log off; client_body_temp_path @folder@/1; proxy_temp_path @folder@/2; fastcgi_temp_path @folder@/3;
uwsgi_temp_path @folder@/4; scgi_temp_path @folder@/5; {more}
server {{ listen 127.0.0.1:32099; }} }}"""
HAPROXY = """defaults
    mode http
    timeout connect 1s
    timeout client 1s
    timeout server 1s
{more}
frontend a
    bind 127.0.0.1:32099
"""
CADDY = '{{"admin":{{"disabled":true}},"apps":{{"http":{{"servers":{{"a":{{"listen":["127.0.0.1:32099"],"routes":[{more}]}}}}}}}}}}'

landlock = pytest.mark.skipif(not confined.landlock_version(), reason="the kernel has no Landlock")


@needs("nginx", "haproxy")
@pytest.mark.parametrize(
    ("name", "text", "accepted", "says"),
    [
        ("nginx", NGINX.format(more=""), True, ""),
        ("nginx", NGINX.format(more="proxy_raed_timeout 1h;"), False, "proxy_raed_timeout"),
        ("haproxy", HAPROXY.format(more=""), True, ""),
        ("haproxy", HAPROXY.format(more="    timeout tunel 1h"), False, "tunel"),
        ("caddy", CADDY.format(more=""), True, ""),
        ("caddy", CADDY.format(more='{"handle":[{"handler":"none-such"}]}'), False, "none-such"),
    ],
)
def test_the_program_says_what_it_accepts(name: str, text: str, accepted: bool, says: str) -> None:
    said = validate(name, {"main": text}, [PORT])
    assert (said.accepted, says in said.complaint, said.version) == (accepted, True, program_version(name))
    assert "wsbook-" not in said.complaint


def test_a_missing_program_is_no_complaint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validators, "find_program", lambda name: None)
    assert validate("nginx", {"main": NGINX.format(more="")}).accepted is None
    assert adapt_caddy("shop.test {\n}\n") is None


@landlock
@needs("nginx", "haproxy")
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nginx", NGINX.format(more="include /etc/hostname;")),
        ("nginx", NGINX.format(more="access_log /tmp/wsbook-test-written;")),
        ("nginx", NGINX.format(more="").replace("32099", "32098")),
        ("haproxy", HAPROXY.format(more="    errorfile 503 /etc/hostname")),
    ],
)
def test_nothing_outside_the_folder_is_reached(name: str, text: str) -> None:
    said = validate(name, {"main": text}, [PORT])
    assert said.accepted is False
    assert not Path("/tmp/wsbook-test-written").exists()


def test_a_file_is_written_below_the_folder_only(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        validators.write_files(str(tmp_path), {"../away": ""})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("shop.test {\n\timport sites/*.caddy\n}\n", '"dial":"app:8000"'),
        ("shop.test {\n\timport sites/nested\n}\n", '"dial":"app:8000"'),
        ("(up) {\n\treverse_proxy app:8000\n}\nshop.test {\n\timport up\n}\n", '"dial":"app:8000"'),
        ("shop.test {\n\timport /etc/hostname\n}\n", None),
        ("shop.test {\n\timport ../outside.caddy\n}\n", None),
        ("shop.test {\n\timport sites/link\n}\n", None),
        ("shop.test {\n\ttls {\n\tclient_auth {\n\ttrusted_ca_cert_file /etc/hostname\n}\n}\n}\n", None),
        ("shop.test {\n\treverse_proxi app:8000\n}\n", None),
    ],
)
def test_caddy_adapts_inside_the_folder(tmp_path: Path, text: str, expected: str | None) -> None:
    folder = tmp_path / "caddy"
    (folder / "sites").mkdir(parents=True)
    (tmp_path / "outside.caddy").write_text("respond secret\n")
    (folder / "sites" / "app.caddy").write_text("reverse_proxy app:8000\n")
    (folder / "sites" / "nested").write_text("import app.caddy\n")
    (folder / "sites" / "link").symlink_to(tmp_path / "outside.caddy")
    adapted = adapt_caddy(text, str(folder))
    assert adapted is None if expected is None else expected in (adapted or "")


def test_the_environment_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WS_TOKEN", "secret")
    assert "secret" not in (adapt_caddy("shop.test {\n\trespond {$WS_TOKEN:none}\n}\n") or "")
