"""Origins that resemble a page's own: each of its kind, once, and none that a browser could not make of the host."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsbook import attempt as labels
from wsbook.wire.origins import relatives, site_of


def by_label(own: str, **more: object) -> dict[str, str | None]:
    return {one.label: one.origin for one in relatives(own, **more)}  # type: ignore[arg-type]


def test_a_name_at_its_default_port() -> None:
    found = by_label("https://shop.example.com", endpoint="https://api.example.com", path="/app", inner=["10.0.0.5:8000"])
    assert found == {
        labels.NO_ORIGIN: None,
        labels.FOREIGN_ORIGIN: "https://wsbook-foreign.example",
        labels.NULL_ORIGIN: "null",
        labels.OWN_ORIGIN: "https://api.example.com",
        labels.SUFFIXED_ORIGIN: "https://shop.example.com.wsbook-foreign.example",
        labels.PREFIXED_ORIGIN: "https://wsbook-example.com",
        labels.OTHER_LETTER_ORIGIN: "https://shopxexample.com",
        labels.OTHER_SCHEME_ORIGIN: "http://shop.example.com",
        labels.OTHER_PORT_ORIGIN: "https://shop.example.com:8443",
        labels.WWW_ORIGIN: "https://www.shop.example.com",
        labels.SUBDOMAIN_ORIGIN: "https://wsbook-other.shop.example.com",
        labels.PARENT_ORIGIN: "https://example.com",
        labels.DEFAULT_PORT_ORIGIN: "https://shop.example.com:443",
        labels.SLASH_ORIGIN: "https://shop.example.com/",
        labels.CAPITAL_ORIGIN: "HTTPS://SHOP.EXAMPLE.COM",
        labels.BARE_ORIGIN: "shop.example.com",
        labels.DOT_ORIGIN: "https://shop.example.com.",
        labels.PATH_ORIGIN: "https://shop.example.com/app",
        f"{labels.INNER_ORIGIN}10.0.0.5:8000": "http://10.0.0.5:8000",
    }


def test_an_address_has_no_names_beside_it() -> None:
    found = by_label("http://127.0.0.1:3000")
    assert found[labels.LOOPBACK_ORIGIN] == "http://localhost:3000"
    assert found[labels.WITHOUT_PORT_ORIGIN] == "http://127.0.0.1"
    assert found[labels.OTHER_PORT_ORIGIN] == "http://127.0.0.1:3001"
    assert not {labels.PREFIXED_ORIGIN, labels.OTHER_LETTER_ORIGIN, labels.SUBDOMAIN_ORIGIN, labels.PARENT_ORIGIN} & found.keys()
    assert labels.SUFFIXED_ORIGIN not in by_label("https://[2001:db8::1]")


@pytest.mark.parametrize("own", ["null", "capacitor://localhost", "chrome-extension://abc", "file://"])
def test_an_origin_of_no_website_is_only_compared_with_others(own: str) -> None:
    assert labels.FOREIGN_ORIGIN in by_label(own)
    assert labels.SLASH_ORIGIN not in by_label(own)


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("example.com", "example.com"),
        ("a.b.example.com", "example.com"),
        ("shop.example.co.uk", "example.co.uk"),
        ("localhost", "localhost"),
        ("192.0.2.1", "192.0.2.1"),
        ("shop.example.io", "example.io"),
    ],
)
def test_what_the_owner_has_registered(host: str, site: str) -> None:
    assert site_of(host) == site


names = st.lists(st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True), min_size=1, max_size=4).map(".".join)


@given(st.sampled_from(["http", "https"]), names, st.integers(1, 65_535))
def test_none_is_the_own_one_and_each_comes_once(scheme: str, host: str, port: int) -> None:
    own = f"{scheme}://{host}:{port}"
    found = relatives(own)
    origins = [one.origin for one in found]
    assert own not in origins
    assert len(set(origins)) == len(origins)
    assert len({one.label for one in found}) == len(found)
