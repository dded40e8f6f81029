"""Defects that an expression finds in source of any language: each is found, and the same code in order has none."""

import pytest
from parsers.page_idioms import PAGE_IDIOMS
from parsers.server_idioms import SERVER_IDIOMS
from parsers.test_source_review import defects


@pytest.mark.parametrize(("pattern", "artifact", "faulty", "healthy"), PAGE_IDIOMS, ids=[row[0] for row in PAGE_IDIOMS])
def test_pages(pattern: str, artifact: str, faulty: str, healthy: str) -> None:
    assert pattern in defects(faulty, "frontend", artifact)
    assert pattern not in defects(healthy, "frontend", artifact)


@pytest.mark.parametrize(("pattern", "artifact", "faulty", "healthy"), SERVER_IDIOMS, ids=[row[0] for row in SERVER_IDIOMS])
def test_servers(pattern: str, artifact: str, faulty: str, healthy: str) -> None:
    assert pattern in defects(faulty, "backend", artifact)
    assert pattern not in defects(healthy, "backend", artifact)
