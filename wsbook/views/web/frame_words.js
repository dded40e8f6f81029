// What frames are called and how their payload reads. Pure functions: no DOM, no state.

export const MARKS = { sent: "▲", received: "▼", control: "◆" };
const OPCODES = { 0: "continuation", 1: "text", 2: "binary", 8: "close", 9: "ping", 10: "pong" }; // RFC 6455 section 5.2
// The code points that wsbook.words.plain makes visible, and the line separators of Unicode
const CONTROL = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const PRETTY_MOST = 262_144;
const HEX_MOST = 4_096;

// RFC 6455 section 7.4.1; 1012 to 1014 are in IANA's registry of close codes
const CLOSE_CODES = {
  1000: "normal closure",
  1001: "going away: a page left, a server stops",
  1002: "protocol error",
  1003: "a kind of data that is not accepted",
  1005: "no code was given (never sent)",
  1006: "no closing handshake took place (never sent)",
  1007: "data that is not valid, such as text that is not UTF-8",
  1008: "policy violation",
  1009: "message too big",
  1010: "the client wanted an extension that the server did not offer",
  1011: "the server met an error",
  1012: "service restart",
  1013: "try again later",
  1014: "bad answer from an upstream server",
  1015: "TLS handshake failed (never sent)",
};

export function kindOf(row) {
  return row.opcode >= 8 ? "control" : row.direction;
}

export function opcodeWord(opcode) {
  return OPCODES[opcode] ?? `opcode ${opcode}`;
}

export function durationText(seconds) {
  const size = Math.abs(seconds);
  if (size < 0.0009995) return `${Math.round(seconds * 1e6)} µs`;
  if (size < 0.9995) return `${Number((seconds * 1e3).toPrecision(3))} ms`;
  return `${seconds.toFixed(size < 100 ? 1 : 0)} s`;
}

export function sizeText(bytes) {
  for (const [unit, scale] of [["MiB", 1 << 20], ["KiB", 1 << 10]]) {
    if (bytes >= 100 * scale) return `${Math.round(bytes / scale)} ${unit}`;
    if (bytes >= scale) return `${Number((bytes / scale).toPrecision(3))} ${unit}`;
  }
  return `${bytes} B`;
}

export function countText(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** The text with control and direction characters made visible, so that it cannot steer what is shown around it. */
export function plain(text) {
  return text.replaceAll("\r\n", "\n").replace(CONTROL, (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** What the code at the begin of a close frame's text means; "" when there is none. */
export function closeWords(text) {
  const code = Number(/^\d{4}\b/.exec(text)?.[0] ?? 0);
  if (!code) return "";
  if (CLOSE_CODES[code]) return `${code} ${CLOSE_CODES[code]}`;
  if (code >= 4000 && code < 5000) return `${code} the application's own code`;
  return code >= 3000 && code < 4000 ? `${code} registered by a library or framework` : `${code} reserved, may not be sent`;
}

/** JSON with one value a line, its tokens as they were sent: numbers keep their digits and keys their order. */
function indented(text) {
  const parts = [];
  let depth = 0;
  const line = () => parts.push("\n", "  ".repeat(depth));
  for (let at = 0; at < text.length; at++) {
    const one = text[at];
    if (one === '"') {
      const begin = at++;
      while (text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
      parts.push(text.slice(begin, at + 1));
    } else if (one === "{" || one === "[") {
      const empty = /^.\s*[}\]]/.exec(text.slice(at, at + 64));
      if (empty) {
        parts.push(one, empty[0].at(-1));
        at += empty[0].length - 1;
      } else {
        parts.push(one);
        depth++;
        line();
      }
    } else if (one === "}" || one === "]") {
      depth--;
      line();
      parts.push(one);
    } else if (one === ",") {
      parts.push(",");
      line();
    } else if (one === ":") {
      parts.push(": ");
    } else if (!/\s/.test(one)) {
      parts.push(one);
    }
    if (depth > 200) return null; // an indent that nobody reads, and quadratic in size
  }
  return parts.join("");
}

function prettyOne(text) {
  // what libraries put before their JSON: Engine.IO and Socket.IO digits, SockJS's letter
  const head = /^(?:\d+-?(?:\/[^,[{]*,)?\d*|a)(?=[[{])/.exec(text)?.[0] ?? "";
  const body = text.slice(head.length);
  if (!/^\s*[[{]/.test(body)) return null;
  try {
    JSON.parse(body);
  } catch {
    return null;
  }
  const lines = indented(body);
  return lines === null ? null : (head ? `${head} ` : "") + lines;
}

/** The JSON of a text over several lines; null when it holds none. SignalR ends each record with U+001E. */
export function pretty(text) {
  if (text.length > PRETTY_MOST) return null;
  const parts = text.split("\x1e").filter((part) => part.trim()).map(prettyOne);
  return parts.length && parts.every((part) => part !== null) ? parts.join("\n") : null;
}

/** The payload's bytes as far as they are kept. */
export function bytesOf(row) {
  if (!row.hex) return new TextEncoder().encode(row.text);
  return Uint8Array.from(row.text.match(/[0-9a-f]{2}/gi) ?? [], (pair) => Number.parseInt(pair, 16));
}

export function hexDump(bytes) {
  const lines = [];
  for (let at = 0; at < Math.min(bytes.length, HEX_MOST); at += 16) {
    const part = [...bytes.subarray(at, at + 16)];
    const pairs = part.map((one) => one.toString(16).padStart(2, "0"));
    const hex = `${pairs.slice(0, 8).join(" ")}  ${pairs.slice(8).join(" ")}`.padEnd(50);
    const letters = part.map((one) => (one > 31 && one < 127 ? String.fromCharCode(one) : ".")).join("");
    lines.push(`${at.toString(16).padStart(6, "0")}  ${hex} ${letters}`);
  }
  if (bytes.length > HEX_MOST) lines.push(`… ${(bytes.length - HEX_MOST).toLocaleString("en")} bytes more`);
  return lines.join("\n");
}

/** What a search looks for, as a RegExp without regard to case; null for an empty query, an Error for an expression that is none. */
export function pattern(query, isExpression) {
  if (!query) return null;
  try {
    return new RegExp(isExpression ? query : query.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "gi");
  } catch (error) {
    return error;
  }
}
