"""Which rules of development servers are read, and what they do to a path."""

# ruff: noqa: E501 (a row is a program)

from pathlib import Path

import pytest

from wsbook.facts import ForwardFacts
from wsbook.parsers.code.sources import parse_sources
from wsbook.parsers.read import read_text


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("vite.config.ts", "export default { server: { proxy: { '/ws': { target: 'ws://localhost:3000' } } } }", ("vite", "/ws", "", "", True)),
        ("vite.config.js", "export default { server: { proxy: { '/api': 'http://localhost:3000' } } }", ("vite", "/api", "", "", False)),
        (
            "vite.config.ts",
            "const p = { '^/api/.*': { target: 'http://b:1', ws: true, rewrite: (x) => x.replace(/^\\/api/, '/v1') } }\nexport default { server: { proxy: { '/api': { target: 'http://b:1', ws: true, rewrite: x => x.replace(/^\\/api/, '/v1') } } } }",
            ("vite", "/api", "/api", "/v1", True),
        ),
        ("vite.config.ts", "export default { server: { proxy: { '/a': { target: 'http://b', rewrite: (p) => other(p) } } } }", ("vite", "/a", None, "", False)),
        ("webpack.config.js", "module.exports = { devServer: { proxy: [{ context: ['/live'], target: 'http://b:1', ws: true, pathRewrite: { '^/live': '' } }] } }", ("webpack", "/live", "/live", "", True)),
        ("next.config.js", "module.exports = { async rewrites() { return [{ source: '/rt/:path*', destination: 'http://b:1/api/:path*' }] } }", ("next", "/rt/", "/rt/", "/api/", None)),
        ("src/setupProxy.js", "const { createProxyMiddleware } = require('http-proxy-middleware'); module.exports = (app) => app.use('/ws', createProxyMiddleware({ target: 'http://b:1', ws: true }))", ("http-proxy-middleware", "/ws", "", "", True)),
        ("package.json", '{"proxy": "http://localhost:5000"}', ("react-scripts", "/", "", "", None)),
        ("other.config.js", "module.exports = { proxy: { '/a': 'http://b' } }", None),
    ],
)  # fmt: skip
def test_rules(name: str, text: str, expected: tuple[str, str, str | None, str, bool | None] | None, tmp_path: Path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    found = [o.facts for o in parse_sources([str(tmp_path)], side="frontend", step="1.1") if isinstance(o.facts, ForwardFacts)]
    assert [(f.product, f.prefix, f.removed, f.added, f.websocket) for f in found] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("export default defineConfig({ server: { proxy: { '/ws': { target: 'http://localhost:3000' } } } })", [("vite", "/ws", False)]),
        ('{ "/ws": { "target": "http://localhost:8080", "secure": false } }', [("angular", "/ws", False)]),
        ('{ "/ws": { "target": "http://localhost:8080", "ws": true } }', [("angular", "/ws", True)]),
        ("module.exports = { devServer: { proxy: { '/ws': { target: 'ws://localhost:3000', ws: true } } } }", [("webpack", "/ws", True)]),
        ("const table = { proxy: { '/ws': { target: 'http://localhost:3000' } } }; const ws = new WebSocket(url)", []),
    ],
)
def test_a_piece_without_a_name_is_told_by_its_words(text: str, expected: list[tuple[str, str, bool]]) -> None:
    found = [seen.facts for seen in read_text(text) if isinstance(seen.facts, ForwardFacts)]
    assert [(facts.product, facts.prefix, facts.websocket) for facts in found] == expected
