// Runs before every script of a watched page and tells the probe what the protocol of the browser's tools hides: constructors
// that throw, close codes, who closed, and when a marked message reached a handler, the document and the screen.
(() => {
  const tell = globalThis.BINDING;
  if (typeof tell !== "function") return;
  if (/^(?:about:(?!blank|srcdoc)|chrome:)/.test(location.href)) return;  // the browser's own pages, which a new tab may still show
  delete globalThis.BINDING;
  const report = (entry) => { try { tell(JSON.stringify(entry)); } catch { /* a page that breaks JSON must still run */ } };
  const now = () => performance.timeOrigin + performance.now();
  // A marker may be written in capitals, or be cut short with what the page shows of a text.
  const form = /wsbook-[0-9a-f]{8,32}(?:-[0-9]{1,6})?/gi;
  const marked = (text, most = 65536) => (typeof text === "string" && text.slice(0, most).match(form)?.map((marker) => marker.toLowerCase())) || [];
  const seen = new Set();
  const cut = new Map();
  const mark = (place, text, at) => {
    for (const marker of new Set(marked(text))) {
      const key = place + marker, whole = /-[0-9]{1,6}$/.test(marker);
      if (place !== "handler" && whole && (seen.has(key) || seen.size > 2000)) continue;
      if (!whole && (at - (cut.get(place) ?? 0) < 20 || seen.size > 2000)) continue;
      if (!whole) cut.set(place, at);
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

  let carried = false;  // whether a marked message came on a socket: only then documents are looked through in full
  const bytesAsText = (buffer) => new TextDecoder("latin1").decode(buffer.slice(0, 65536));
  const taken = (data, at) => {
    if (data instanceof Blob) {
      data.slice(0, 65536).arrayBuffer().then((buffer) => taken(buffer, at), () => {});
      return;
    }
    const text = typeof data === "string" ? data : data instanceof ArrayBuffer ? bytesAsText(data) : "";
    if (!marked(text).length) return;
    carried = true;
    mark("handler", text, at);
    for (const delay of [0, 100, 400, 1500, 3000]) setTimeout(() => requestAnimationFrame(lookAtFields), delay);
  };

  const Native = globalThis.WebSocket;
  const closedByPage = new WeakSet();
  const close = Native.prototype.close;
  Native.prototype.close = function (...values) { closedByPage.add(this); return close.apply(this, values); };
  const send = Native.prototype.send;
  Native.prototype.send = function (data) { const sent = send.call(this, data); frameSeen(identities.get(this), true, data); return sent; };
  let created = 0;
  const sockets = [];  // whose listeners the browser's protocol can be asked for
  Object.defineProperty(globalThis, Symbol.for("wsbook.sockets"), { value: () => sockets.map((one) => one.deref()).filter(Boolean) });
  const frame = Math.random().toString(36).slice(2, 10);
  const watch = (socket, id) => {
    socket.addEventListener("open", () => report({ kind: "open", id, at: now() }));
    identities.set(socket, id);
    socket.addEventListener("message", (event) => { taken(event.data, now()); frameSeen(id, false, event.data); });
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
      if (sockets.push(new WeakRef(socket)) > 200) sockets.shift();
      report({ kind: "new", id, at: now(), url: socket.url, asked: String(values[0]).slice(0, 2000) });
      watch(socket, id);
      return socket;
    },
  });
  Native.prototype.constructor = globalThis.WebSocket;

  const selector = SELECTOR;
  const elementOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement ?? node.getRootNode?.().host ?? null);
  const inside = (node) => {
    if (!selector) return true;
    for (let element = elementOf(node); element; element = element.getRootNode().host) {
      try { if (element.closest(selector)) return true; } catch { return false; }
    }
    return false;
  };

  // What stands in the document is on the screen when its element is not hidden at the second picture after, or somewhat later.
  const holders = new Map();
  const visible = (node) => {
    const element = elementOf(node);
    if (!element || !element.isConnected) return false;
    return element.localName === "title" || (element.checkVisibility?.({ checkOpacity: true, checkVisibilityCSS: true }) ?? true);
  };
  const holder = (node, marker) => {
    if (node.nodeType !== Node.ELEMENT_NODE) return node;
    const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
    for (let text = walker.nextNode(), left = 2000; text && left; text = walker.nextNode(), left -= 1) {
      if (text.data.toLowerCase().includes(marker)) return text;
    }
    return node;
  };
  const lookAtScreen = (marker) => {
    const node = holders.get(marker);
    if (node && document.visibilityState === "visible" && visible(holder(node, marker))) {
      holders.delete(marker);
      mark("screen", marker, now());
    }
  };
  const stands = (text, node, at) => {
    for (const marker of new Set(marked(text, 200000))) {
      mark("document", marker, at);
      if (seen.has(`screen${marker}`) || (!holders.has(marker) && holders.size > 200)) continue;
      holders.set(marker, node);
      requestAnimationFrame(() => requestAnimationFrame(() => lookAtScreen(marker)));
      for (const delay of [250, 700]) setTimeout(() => requestAnimationFrame(() => lookAtScreen(marker)), delay);
      setTimeout(() => holders.delete(marker), 1500);
    }
  };
  const lookAtFields = () => {
    for (const root of [document, ...roots]) {
      for (const field of [...root.querySelectorAll("input, textarea")].slice(0, 500)) {
        if (inside(field) && field.type !== "password") stands(String(field.value).slice(0, 20000), field, now());
      }
    }
  };
  const textOf = (node) => {
    const text = (carried && node.nodeType === Node.ELEMENT_NODE ? node.outerHTML : node.textContent) || "";
    return text.length > 200000 ? text.slice(-200000) : text;
  };
  const lookAt = (record, at) => {
    if (record.type === "attributes") stands(record.target.getAttribute(record.attributeName), record.target, at);
    else if (record.type === "characterData") stands(record.target.data, record.target, at);
    else for (const node of [...record.addedNodes].slice(0, 50)) stands(textOf(node), node, at);
  };
  let changes = 0, first = 0, flushing = false;
  const flush = () => { report({ kind: "changes", count: changes, at: first }); changes = 0; flushing = false; };
  const observer = new MutationObserver((records) => {
    const at = now();
    const relevant = records.filter((record) => inside(record.target));
    if (!relevant.length) return;
    if (!flushing) { flushing = true; first = at; setTimeout(flush, 50); }
    changes += relevant.length;
    for (const record of relevant.slice(0, 200)) lookAt(record, at);
  });
  const everything = { childList: true, characterData: true, attributes: true, subtree: true };

  // An observer of the document does not see into shadow trees.
  const roots = [];
  const watchRoot = (root) => {
    if (!root || roots.length >= 500 || roots.includes(root)) return root;
    roots.push(root);
    observer.observe(root, everything);
    return root;
  };
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function attachShadow(options) { return watchRoot(attach.call(this, options)); };

  // performance.mark("wsbook:PLACE TEXT") of an application: a place of its own on the way of the message whose marker is in TEXT.
  const marks = (list) => {
    for (const entry of list.getEntries()) {
      const [, place, text] = /^wsbook:([\w.-]{1,40})\s([^]*)$/.exec(entry.name.slice(0, 70000)) ?? [];
      if (place) mark(`mark ${place}`, text, performance.timeOrigin + entry.startTime);
    }
  };
  try { new PerformanceObserver(marks).observe({ type: "mark", buffered: true }); } catch { /* a browser without marks */ }
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
    observer.observe(document, everything);
    for (const element of document.querySelectorAll("*")) watchRoot(element.shadowRoot);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin, { once: true }); else begin();
})();
//# sourceURL=wsbook-page.js
