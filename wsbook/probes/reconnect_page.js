// Runs before every script of a page whose connection will be cut: counts handler runs for each message, and knows the page's timers.
// The page's own code sees the platform as it is, but for names of functions.
(() => {
  const kept = { messages: 0, runs: 0, closes: [], timers: new Map() };
  Object.defineProperty(globalThis, "KEPT", { value: kept, enumerable: false });

  // Their runs are counted by the profiler too, so that runs of any other function can be told for each message, or for each of a kind.
  const kinds = [
    function wsbookKind0() {}, function wsbookKind1() {}, function wsbookKind2() {}, function wsbookKind3() {},
    function wsbookKind4() {}, function wsbookKind5() {}, function wsbookKind6() {}, function wsbookKind7() {},
  ];
  const known = new Map();
  const wsbookHeard = (event) => {
    kept.messages += 1;
    const start = typeof event.data === "string" ? event.data.slice(0, 40).replace(/[0-9]/g, "").slice(0, 20) : "";
    if (!known.has(start) && known.size < kinds.length) known.set(start, kinds[known.size]);
    known.get(start)?.();
  };

  // Handlers of messages, on the socket itself.
  const Outer = globalThis.WebSocket;
  const prototype = Outer.prototype;
  let ours = false;
  globalThis.WebSocket = new Proxy(Outer, {
    construct(target, values, newTarget) {
      const before = ours;
      ours = true;
      try {
        const socket = Reflect.construct(target, values, newTarget);
        socket.addEventListener("message", wsbookHeard);
        return socket;
      } finally {
        ours = before;
      }
    },
  });
  prototype.constructor = globalThis.WebSocket;
  // When the page gave up a socket that it had: its close event comes only after the closing handshake, which a dead peer never ends.
  const close = prototype.close;
  prototype.close = function (...values) {
    if (this.readyState === Outer.OPEN && kept.closes.length < 200) kept.closes.push(now());
    return close.apply(this, values);
  };
  const counting = new WeakMap();
  const counted = (handler) => {
    if (handler === null || (typeof handler !== "function" && typeof handler !== "object")) return handler;
    if (!counting.has(handler)) {
      counting.set(handler, function (event) {
        kept.runs += 1;
        return typeof handler === "function" ? handler.call(this, event) : handler.handleEvent(event);
      });
    }
    return counting.get(handler);
  };
  const add = EventTarget.prototype.addEventListener;
  const remove = EventTarget.prototype.removeEventListener;
  const concerns = (target, type) => type === "message" && !ours && target instanceof Outer;
  EventTarget.prototype.addEventListener = function addEventListener(type, handler, ...rest) {
    return add.call(this, type, concerns(this, type) ? counted(handler) : handler, ...rest);
  };
  EventTarget.prototype.removeEventListener = function removeEventListener(type, handler, ...rest) {
    const wrapped = concerns(this, type) && handler !== null && counting.get(handler);
    if (wrapped) remove.call(this, type, wrapped, ...rest);
    return remove.call(this, type, handler, ...rest);
  };
  const own = Object.getOwnPropertyDescriptor(prototype, "onmessage");
  if (own && own.set) {
    const given = new WeakMap();
    Object.defineProperty(prototype, "onmessage", {
      ...own,
      get() { return given.get(this) ?? own.get.call(this); },
      set(handler) {
        given.delete(this);
        if (typeof handler === "function") given.set(this, handler);
        own.set.call(this, typeof handler === "function" ? counted(handler) : handler);
      },
    });
  }

  // Timers and clocks: what is still to fire may still dial, and can be let go ahead of its time.
  const performed = performance.now.bind(performance);
  const real = () => performance.timeOrigin + performed();
  const OwnDate = Date;
  let ahead = 0;
  const now = () => real() + ahead;
  const most = 5000;
  globalThis.Date = new Proxy(OwnDate, {
    construct: (target, values, newTarget) => Reflect.construct(target, values.length || !ahead ? values : [OwnDate.now() + ahead], newTarget),
    apply: (target, self, values) => (ahead ? new OwnDate(OwnDate.now() + ahead).toString() : Reflect.apply(target, self, values)),
    get: (target, name) => (name === "now" && ahead ? () => OwnDate.now() + ahead : Reflect.get(target, name)),
  });
  OwnDate.prototype.constructor = globalThis.Date;
  performance.now = () => performed() + ahead;
  const { setTimeout: timeout, clearTimeout: stopTimeout, setInterval: interval, clearInterval: stopInterval } = globalThis;
  globalThis.setTimeout = function setTimeout(handler, delay, ...values) {
    if (typeof handler !== "function") return timeout(handler, delay, ...values);
    const entry = { due: now() + Math.max(0, Number(delay) || 0), every: 0, fired: 0 };
    entry.run = () => { kept.timers.delete(id); stopTimeout(id); return handler.apply(globalThis, values); };
    const id = timeout(() => entry.run(), delay);
    if (kept.timers.size < most) kept.timers.set(id, entry);
    return id;
  };
  globalThis.setInterval = function setInterval(handler, delay, ...values) {
    if (typeof handler !== "function") return interval(handler, delay, ...values);
    const every = Math.max(1, Number(delay) || 0);
    const entry = { due: now() + every, every, fired: 0 };
    entry.run = () => { entry.fired = now(); entry.due = entry.fired + every; return handler.apply(globalThis, values); };
    const id = interval(() => entry.run(), delay);
    if (kept.timers.size < most) kept.timers.set(id, entry);
    return id;
  };
  globalThis.clearTimeout = function clearTimeout(id) { kept.timers.delete(id); return stopTimeout(id); };
  globalThis.clearInterval = function clearInterval(id) { kept.timers.delete(id); return stopInterval(id); };

  kept.take = () => {
    const taken = { messages: kept.messages, runs: kept.runs };
    kept.messages = kept.runs = 0;
    return taken;
  };
  // Milliseconds until each timer that has not fired since that instant.
  kept.pending = (since) => [...kept.timers.values()]
    .filter((entry) => !(entry.every && entry.fired > since))
    .map((entry) => Math.max(0, entry.due - now())).sort((a, b) => a - b).slice(0, 50);
  // Put the page's clock forward to its next timer, at least and at most by so many milliseconds, and let fire what is due then.
  // Returns by how much, -1 where no timer is left.
  kept.leap = (least, longest) => {
    const waiting = [...kept.timers.values()];
    if (!waiting.length) return -1;
    const step = Math.min(longest, Math.max(least, Math.min(...waiting.map((entry) => entry.due)) - now()));
    ahead += step;
    for (const entry of waiting.filter((one) => one.due <= now()).sort((a, b) => a.due - b.due)) {
      try { entry.run(); } catch (error) { timeout(() => { throw error; }); }
    }
    return step;
  };
})();
//# sourceURL=wsbook-reconnect.js
