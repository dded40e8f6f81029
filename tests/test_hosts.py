"""What a host means by its name alone."""

import pytest

from wsbook.hosts import is_inner, is_inner_address, is_inner_name, is_own_machine

OWN, INNER_NAME, INNER_ADDRESS, PUBLIC = "own machine", "inner name", "inner address", "public"
HOSTS = {
    OWN: "localhost LOCALHOST localhost. app.localhost 127.0.0.1 127.8.0.1 ::1 [::1] 0.0.0.0",
    INNER_NAME: "backend redis-0 Backend. ws.shop.svc api.default.svc.cluster.local nas.local box.lan host.docker.internal a.home.arpa",
    INNER_ADDRESS: "10.0.0.7 172.20.1.1 192.168.1.9 100.64.3.2 169.254.7.7 fd12::1 [fe80::1%eth0]",
    # Addresses for examples stand for public ones (RFC 5737, RFC 3849).
    PUBLIC: "shop.example local.shop.example mylocalhost.example 8.8.8.8 2606:4700::1 172.32.0.1 203.0.113.9 192.0.2.1 2001:db8::7"
    " something xxx your-server my_domain foo",
}


@pytest.mark.parametrize(
    ("host", "meaning"), [("", PUBLIC), *((host, meaning) for meaning, hosts in HOSTS.items() for host in hosts.split())]
)
def test_a_host_has_one_meaning(host: str, meaning: str) -> None:
    meanings = {OWN: is_own_machine(host), INNER_NAME: is_inner_name(host), INNER_ADDRESS: is_inner_address(host)}
    assert [name for name, holds in meanings.items() if holds] == ([] if meaning == PUBLIC else [meaning])
    assert is_inner(host) == (meaning in (INNER_NAME, INNER_ADDRESS))
