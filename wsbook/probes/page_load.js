// Runs before every script of a page under load and notes, for each marked message, when it was given to the page and when it came into
// the document; besides pictures, batches of changes and long tasks. It tells what is new now and then, out of what runs anyway, because
// a page that has no time answers no question.
(() => {
  const run = RUN, most = 300000;
  const now = performance.now.bind(performance);
  const kept = { taken: [], shown: [], batches: [], pictures: [], long: [], sockets: 0, closed: 0, hidden: false, own: 0 };
  const seen = { taken: new Set(), shown: new Set() };
  let tell = null, told = {}, last = 0;
  const lists = ["taken", "shown", "batches", "pictures", "long"];
  const push = (at) => {
    if (!tell || at - last < 250) return;
    last = at;
    const news = { at, own: kept.own, closed: kept.closed, hidden: kept.hidden };
    for (const name of lists) { news[name] = kept[name].slice(told[name]); told[name] = kept[name].length; }
    tell(JSON.stringify(news));
  };
  const note = (list, at) => { if (list.length < most) list.push(Math.round(at * 10) / 10); };
  const find = (kind, text, at) => {
    for (let from = text.indexOf(run); from >= 0; from = text.indexOf(run, from + run.length)) {
      const number = parseInt(text.slice(from + run.length + 1, from + run.length + 8), 10);
      if (number >= 0 && !seen[kind].has(number) && seen[kind].size < most) {
        seen[kind].add(number);
        kept[kind].push(number, Math.round(at * 10) / 10);
      }
    }
  };
  const bytes = (data) => (data instanceof ArrayBuffer ? new TextDecoder("latin1").decode(data.slice(0, 65536)) : "");
  const took = (event) => {
    const at = now(), { data } = event;
    if (data instanceof Blob) data.slice(0, 65536).arrayBuffer().then((buffer) => find("taken", bytes(buffer), at), () => {});
    else find("taken", typeof data === "string" ? data : bytes(data), at);
    push(at);
    kept.own += now() - at;
  };

  const sockets = [];
  Object.defineProperty(globalThis, Symbol.for("wsbook.sockets"), { value: () => sockets.map((one) => one.deref()).filter(Boolean) });
  const Outer = globalThis.WebSocket;
  globalThis.WebSocket = new Proxy(Outer, {
    construct(target, values, newTarget) {
      const socket = Reflect.construct(target, values, newTarget);
      kept.sockets += 1;
      if (sockets.push(new WeakRef(socket)) > 200) sockets.shift();
      socket.addEventListener("message", took);
      socket.addEventListener("close", () => { kept.closed += 1; });
      return socket;
    },
  });
  Outer.prototype.constructor = globalThis.WebSocket;

  // Of what came new, both ends are looked at: a list that is drawn anew each time would cost us as much as the page.
  const ends = (nodes) => (nodes.length <= 400 ? [...nodes] : [...nodes].slice(0, 200).concat([...nodes].slice(-200)));
  const both = (text) => (text.length <= 8000 ? text : text.slice(0, 4000) + " " + text.slice(-4000));
  const lookAt = (node, at) => {
    const text = node.textContent ?? "";
    if (text.includes(run)) find("shown", both(text), at);
    else if (text.length < 500 && node.nodeType === Node.ELEMENT_NODE) find("shown", both(node.outerHTML), at);
  };
  const observer = new MutationObserver((records) => {
    const at = now();
    note(kept.batches, at);
    for (const record of ends(records)) {
      if (record.type === "attributes") find("shown", String(record.target.getAttribute(record.attributeName)).slice(0, 2000), at);
      else if (record.type === "characterData") find("shown", both(record.target.data), at);
      else for (const node of ends(record.addedNodes)) lookAt(node, at);
    }
    push(at);
    kept.own += now() - at;
  });
  const everything = { childList: true, characterData: true, attributes: true, subtree: true };
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function attachShadow(options) {
    const root = attach.call(this, options);
    observer.observe(root, everything);
    return root;
  };

  const draw = (at) => { note(kept.pictures, at); push(now()); requestAnimationFrame(draw); };
  const hide = () => { kept.hidden ||= document.visibilityState !== "visible"; };
  // Once, when the load begins, with the name of the function that takes what is told; what came before does not count.
  kept.begin = (name) => {
    tell = globalThis[name];
    delete globalThis[name];
    for (const list of lists) { kept[list].length = 0; told[list] = 0; }
    kept.own = kept.closed = 0;
    hide();
    document.addEventListener("visibilitychange", hide);
    observer.observe(document, everything);
    try {
      const tasks = new PerformanceObserver((list) => {
        if (kept.long.length < most) list.getEntries().forEach((one) => kept.long.push(one.startTime, one.duration));
      });
      tasks.observe({ type: "longtask" });
    } catch { /* a browser that does not tell them */ }
    requestAnimationFrame(draw);
    setInterval(() => push(now()), 500);
    return document.getElementsByTagName("*").length;
  };
  kept.end = (number) => {
    last = 0;
    push(now());
    const stands = seen.shown.has(number) || (document.documentElement.textContent ?? "").includes(`${run}-${number}`);
    return [document.getElementsByTagName("*").length, stands];
  };
  Object.defineProperty(globalThis, "LOADED", { value: kept, enumerable: false });
})();
//# sourceURL=wsbook-load.js
