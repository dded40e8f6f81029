// Runs before every script of a watched page and tells the probe what the protocol of the browser's tools hides: constructors
// that throw, close codes, who closed, and when a marked message reached a handler, the document and the screen.
(() => {
  const tell = globalThis.BINDING;
  if (typeof tell !== "function") return;
  if (/^(?:about:(?!blank|srcdoc)|chrome:)/.test(location.href)) return;  // the browser's own pages, which a new tab may still show
  delete globalThis.BINDING;
  const report = (entry) => { try { tell(JSON.stringify(entry)); } catch { /* a page that breaks JSON must still run */ } };
  const now = () => performance.timeOrigin + performance.now();
  const marked = (text) => (typeof text === "string" && text.slice(0, 65536).match(/wsbook-[0-9a-f]{8,32}(?:-[0-9]{1,6})?/g)) || [];
  const seen = new Set();
  const mark = (place, text, at) => {
    for (const marker of marked(text)) {
      const key = place + marker;
      if (place !== "handler" && (seen.has(key) || seen.size > 2000)) continue;
      seen.add(key);
      report({ kind: "mark", place, marker, at });
    }
  };

  // Only where the browser's own protocol shows no frames.
  const sizeOf = (data) => (typeof data === "string" ? new Blob([data]).size : data.byteLength ?? data.size ?? 0);
  const frameSeen = (id, sent, data) => {
    if (!FRAMES) return;
    const text = typeof data === "string";
    report({ kind: "frame", id, sent, text, size: sizeOf(data), data: text ? data.slice(0, 2000) : "", at: now() });
  };
  const identities = new WeakMap();

  const Native = globalThis.WebSocket;
  const closedByPage = new WeakSet();
  const close = Native.prototype.close;
  Native.prototype.close = function (...values) { closedByPage.add(this); return close.apply(this, values); };
  const send = Native.prototype.send;
  Native.prototype.send = function (data) { const sent = send.call(this, data); frameSeen(identities.get(this), true, data); return sent; };
  let created = 0;
  const frame = Math.random().toString(36).slice(2, 10);
  const watch = (socket, id) => {
    socket.addEventListener("open", () => report({ kind: "open", id, at: now() }));
    identities.set(socket, id);
    socket.addEventListener("message", (event) => { mark("handler", event.data, now()); frameSeen(id, false, event.data); });
    socket.addEventListener("close", (event) => report({
      kind: "close", id, at: now(), code: event.code, reason: event.reason, clean: event.wasClean, page: closedByPage.has(socket),
    }));
  };
  globalThis.WebSocket = new Proxy(Native, {
    construct(target, values, newTarget) {
      const id = `${frame}.${++created}`;
      let socket;
      try {
        socket = Reflect.construct(target, values, newTarget);
      } catch (error) {
        report({ kind: "throw", id, at: now(), url: String(values[0]).slice(0, 2000), name: error.name, text: String(error.message).slice(0, 1000) });
        throw error;
      }
      report({ kind: "new", id, at: now(), url: socket.url, asked: String(values[0]).slice(0, 2000) });
      watch(socket, id);
      return socket;
    },
  });
  Native.prototype.constructor = globalThis.WebSocket;

  const selector = SELECTOR;
  const inside = (node) => {
    if (!selector) return true;
    const element = node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement;
    try { return Boolean(element && element.closest(selector)); } catch { return false; }
  };
  let changes = 0, first = 0, flushing = false;
  const flush = () => { report({ kind: "changes", count: changes, at: first }); changes = 0; flushing = false; };
  const observer = new MutationObserver((records) => {
    const at = now();
    const relevant = records.filter((record) => inside(record.target));
    if (!relevant.length) return;
    if (!flushing) { flushing = true; first = at; setTimeout(flush, 50); }
    changes += relevant.length;
    const texts = relevant.slice(0, 200).flatMap((record) => [
      record.type === "attributes" ? record.target.getAttribute(record.attributeName) : record.target.textContent.slice(0, 20000),
      ...[...record.addedNodes].slice(0, 50).map((node) => (node.textContent || "").slice(0, 20000)),
    ]).filter((text) => text && text.includes("wsbook-"));
    texts.forEach((text) => mark("document", text, at));
    if (texts.length) requestAnimationFrame(() => requestAnimationFrame(() => { const shown = now(); texts.forEach((text) => mark("screen", text, shown)); }));
  });
  addEventListener("securitypolicyviolation", (event) => report({
    kind: "violation", directive: event.effectiveDirective || event.violatedDirective, url: String(event.blockedURI).slice(0, 2000),
    disposition: event.disposition, policy: String(event.originalPolicy).slice(0, 4000),
  }), true);
  const inside_frame = globalThis.top !== globalThis;
  if (!inside_frame) {
    for (const name of ["pagehide", "pageshow", "freeze", "resume"]) {
      (name.startsWith("page") ? globalThis : document).addEventListener(name, (event) => {
        if (name === "pageshow" && !event.persisted) return;
        report({ kind: "lifecycle", event: event.persisted ? `${name} kept` : name, at: now() });
      }, true);
    }
    document.addEventListener("visibilitychange", () => report({ kind: "lifecycle", event: document.visibilityState, at: now() }), true);
  }
  const begin = () => {
    const policies = [...document.querySelectorAll("meta[http-equiv]")].filter((m) => m.httpEquiv.toLowerCase() === "content-security-policy");
    const csp = policies.map((m) => m.content).join(", ").slice(0, 4000);
    report({ kind: "page", inside: inside_frame, title: document.title.slice(0, 500), csp });
    observer.observe(document, { childList: true, characterData: true, attributes: true, subtree: true });
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin, { once: true }); else begin();
})();
