"""Pages that bear many messages in their own ways; each is the script of a page of page_sites.py. The names are those of their habits."""

__all__ = ["MESSAGE", "PAGES"]

MESSAGE = '{"text": "{marker}", "price": 17}'

_TAKE = "const socket = new WebSocket(url); socket.onmessage = (event) => take(JSON.parse(event.data));"
_LIST = "const list = document.createElement('ul'); document.body.append(list);"
_ROW = "const row = (m) => { const item = document.createElement('li'); item.textContent = m.text; return item; };"

PAGES: dict[str, str] = {
    "healthy": _LIST
    + _ROW
    + """
let waiting = [], asked = false;
function take(m) {
  waiting.push(m);
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => {
    asked = false;
    list.append(...waiting.splice(0).map(row));
    while (list.childElementCount > 100) list.firstChild.remove();
  });
}
"""
    + _TAKE,
    "render-per-message": _LIST
    + """
const rows = Array.from({ length: 300 }, (none, number) => ({ text: `old ${number}`, price: number }));
function take(m) {
  rows.unshift(m);
  list.innerHTML = rows.map((one) => `<li>${one.text} ${one.price}</li>`).join("");
  document.title = list.offsetHeight;
}
"""
    + _TAKE,
    "layout-per-message": _LIST
    + _ROW
    + """
for (let number = 0; number < 1000; number += 1) list.append(row({ text: `old ${number}` }));
function take(m) { list.prepend(row(m)); document.title = list.getBoundingClientRect().height; }
"""
    + _TAKE,
    "slow-handler": """
function take(m) { const begin = performance.now(); while (performance.now() - begin < 5); shown.textContent = m.text; }
"""
    + _TAKE,
    "queue": """
const queue = [];
let working = false;
function work() { const m = queue.shift(); if (m) { shown.textContent = m.text; setTimeout(work, 10); } else working = false; }
function take(m) { queue.push(m); if (!working) { working = true; setTimeout(work, 10); } }
"""
    + _TAKE,
    "later": _LIST + _ROW + "function take(m) { setTimeout(() => list.append(row(m)), 1300); }" + _TAKE,
    "latest-only": """
let latest = null;
setInterval(() => { if (latest) shown.textContent = latest.text; latest = null; }, 100);
function take(m) { latest = m; }
"""
    + _TAKE,
    "shows-nothing": "let count = 0; function take(m) { count += 1; }" + _TAKE,
    "no-listener": "globalThis.socket = new WebSocket(url);",
}
