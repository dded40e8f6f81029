"""Configuration and command line of each proxy. Knows nothing of faults: they have already changed the template."""

import os
from importlib.resources import files
from pathlib import Path

from msgspec import Struct

from wsbook.programs import clean_environment, has_ipv6_loopback

__all__ = ["CONFIGS", "Proxy", "apache_modules", "read_template", "set_up_proxy"]

CONFIGS = {"caddy": "Caddyfile", "nginx": "nginx.conf", "haproxy": "haproxy.cfg", "apache": "httpd.conf"}
_MODULES = ("/usr/lib/apache2/modules", "/usr/lib64/httpd/modules", "/usr/libexec/apache2", "/opt/homebrew/lib/httpd/modules")
"""Where Apache's modules lie: Debian, Fedora, macOS, Homebrew."""


class Proxy(Struct, frozen=True, kw_only=True):
    """One proxy ready to start. output: where stdout and stderr go. logs: the files that it writes, output included."""

    argv: tuple[str, ...]
    environment: dict[str, str]
    config: str
    output: str
    logs: tuple[str, ...]


def read_template(name: str) -> str:
    """Return the healthy configuration of a proxy, with places for ports and paths written @name@."""
    return files("wsbook.lab").joinpath("config", CONFIGS[name]).read_text(encoding="utf-8")


def _user_line(name: str) -> str:
    """Keep nginx from giving up our user's rights to the folder; it warns about the line unless it runs as root, which Apache refuses."""
    if os.geteuid() != 0 or name not in ("nginx", "apache"):
        return ""
    import grp
    import pwd

    if name == "apache":
        return f"User nobody\nGroup {grp.getgrgid(pwd.getpwnam('nobody').pw_gid).gr_name}"
    return f"user {pwd.getpwuid(os.geteuid()).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


def apache_modules(*, tls: bool) -> tuple[str, str]:
    """Return (folder of Apache's modules, lines that load what one build has inside and another beside it)."""
    folder = next((one for one in _MODULES if Path(one).is_dir()), _MODULES[0])
    beside = [name for name in ("unixd", "log_config") if Path(folder, f"mod_{name}.so").exists()]
    wanted = [*beside, *(["ssl"] if tls else [])]
    return folder, "\n".join(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in wanted)


def _places(name: str, folder: Path, port: int, tls: bool, bind: str) -> dict[str, str]:
    addresses = ["127.0.0.1"]
    if tls and has_ipv6_loopback():
        addresses.append("[::1]")  # the URL says localhost, which is both
    listen = [f"{address}:{port}" for address in addresses]
    options = f" {bind.replace('@folder@', str(folder))}" if bind else ""
    cert, key = folder / "tls" / "cert.pem", folder / "tls" / "key.pem"
    tls_lines = {
        "caddy": f"tls {cert} {key}",
        "nginx": f"ssl_certificate {cert};\n        ssl_certificate_key {key};",
        "apache": f"SSLEngine on\nSSLCertificateFile {cert}\nSSLCertificateKeyFile {key}",
    }
    listens = "Listen {}" if name == "apache" else f"listen {{}}{' ssl' if tls else ''};"
    modules, more_modules = apache_modules(tls=tls) if name == "apache" else ("", "")
    return {
        "folder": str(folder),
        "site": f"{'https' if tls else 'http'}://:{port}",
        "addresses": " ".join(address.strip("[]") for address in addresses),
        "listen": "\n        ".join(listens.format(address) for address in listen),
        "bind": "\n    ".join(f"bind {address}{f' ssl crt {folder}/tls/server.pem' if tls else ''}{options}" for address in listen),
        "user": _user_line(name),
        "modules": modules,
        "more_modules": more_modules,
        "tls": tls_lines.get(name, "") if tls else "",
    }


def _fill(template: str, places: dict[str, str]) -> str:
    lines = []
    for line in template.splitlines():
        filled = line
        for place, value in places.items():
            filled = filled.replace(f"@{place}@", value)
        if filled.strip() or not line.strip():
            lines.append(filled)
    return "\n".join(lines) + "\n"


def set_up_proxy(name: str, path: str, template: str, folder: Path, ports: dict[str, int], tls: bool, bind: str = "") -> Proxy:
    """Write the proxy's configuration into the folder and return how to start it; path is its program, bind as in Fault."""
    places = _places(name, folder, ports["proxy"], tls, bind) | {key: str(port) for key, port in ports.items()}
    config, home, logs = folder / "proxy" / CONFIGS[name], folder / "proxy" / "home", folder / "logs"
    home.mkdir(parents=True)
    config.write_text(_fill(template, places), encoding="utf-8")
    argv = {
        "caddy": (path, "run", "--config", str(config), "--adapter", "caddyfile"),
        "nginx": (path, "-p", str(folder / "proxy"), "-c", str(config), "-e", str(logs / "error.log"), "-g", "daemon off;"),
        "haproxy": (path, "-db", "-f", str(config)),
        "apache": (path, "-f", str(config), "-DFOREGROUND"),
    }[name]
    if name == "apache" and os.geteuid() == 0:
        folder.chmod(0o711)  # its workers give up root's rights and read the page
    both = ("access.log", "error.log")
    own = {"caddy": ("access.log",), "nginx": both, "haproxy": (), "apache": both}[name]
    return Proxy(
        argv=argv,
        environment=clean_environment(HOME=str(home), XDG_DATA_HOME=str(home), XDG_CONFIG_HOME=str(home)),
        config=str(config),
        output=str(logs / f"{name}.log"),
        logs=tuple(str(logs / file) for file in (*own, f"{name}.log")),
    )
