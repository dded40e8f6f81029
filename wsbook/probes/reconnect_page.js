// Runs before every script of a page whose connection will be cut: counts handler runs for each message, and knows the page's timers.
// The page's own code sees the platform as it is, but for names of functions.
(() => {
  const kept = globalThis.KEPT = { messages: 0, runs: 0, timers: new Map() };
  Object.defineProperty(globalThis, "KEPT", { value: kept, enumerable: false });

  // Its runs are counted by the profiler too, so that runs of any other function can be told for each message.
  const wsbookHeard = () => { kept.messages += 1; };

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
    const known = concerns(this, type) && handler !== null && counting.get(handler);
    if (known) remove.call(this, type, known, ...rest);
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

  // Timers: what is still to fire may still dial.
  const now = () => performance.timeOrigin + performance.now();
  const most = 5000;
  const { setTimeout: timeout, clearTimeout: stopTimeout, setInterval: interval, clearInterval: stopInterval } = globalThis;
  globalThis.setTimeout = function setTimeout(handler, delay, ...values) {
    if (typeof handler !== "function") return timeout(handler, delay, ...values);
    const id = timeout(function () { kept.timers.delete(id); return handler.apply(this, arguments); }, delay, ...values);
    if (kept.timers.size < most) kept.timers.set(id, { due: now() + Math.max(0, Number(delay) || 0), every: 0, fired: 0 });
    return id;
  };
  globalThis.setInterval = function setInterval(handler, delay, ...values) {
    if (typeof handler !== "function") return interval(handler, delay, ...values);
    const every = Math.max(1, Number(delay) || 0);
    const entry = { due: now() + every, every, fired: 0 };
    const id = interval(function () { entry.fired = now(); entry.due = entry.fired + every; return handler.apply(this, arguments); }, delay, ...values);
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
})();
//# sourceURL=wsbook-reconnect.js
