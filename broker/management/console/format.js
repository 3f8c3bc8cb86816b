// Numbers, sizes and times as people read them.

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en", { notation: "compact", maximumSignificantDigits: 3 });
const SMALL = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const CLOCK = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hour12: false,
});
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium", hour12: false });
const TWO_DIGITS = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
const BYTES = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/** 12,345 */
export const whole = (value) => (Number.isFinite(value) ? WHOLE.format(value) : "–");

/** 12.3K: for tiles and axes. */
export const short = (value) =>
  !Number.isFinite(value) ? "–" : Math.abs(value) < 10_000 ? SMALL.format(value) : SHORT.format(value);

/** 1,234/s; 0.4/s; 0/s */
export function rate(value) {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  const format = size < 10 ? TWO_DIGITS : size < 10_000 ? WHOLE : SHORT;
  return `${format.format(value)}/s`;
}

/** 1.5 MiB */
export function bytes(value) {
  if (!Number.isFinite(value)) return "–";
  let size = value;
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < BYTES.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit === 0 ? WHOLE.format(size) : SMALL.format(size)} ${BYTES[unit]}`;
}

export const byteRate = (value) => (Number.isFinite(value) ? `${bytes(value)}/s` : "–");

/** 3 d 4 h, 5 min 6 s: the two largest units. */
export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, length] of [
    ["d", 86_400],
    ["h", 3_600],
    ["min", 60],
    ["s", 1],
  ]) {
    if (rest >= length || (unit === "s" && parts.length === 0)) {
      parts.push(`${Math.floor(rest / length)} ${unit}`);
      rest %= length;
    } else if (parts.length) {
      break;
    }
  }
  return parts.slice(0, 2).join(" ");
}

/** 5 min ago; just now. `moment` is milliseconds since 1970, or a text that Date understands. */
export function ago(moment, now = Date.now()) {
  const at = typeof moment === "string" ? Date.parse(moment) : moment;
  if (!Number.isFinite(at)) return "–";
  const seconds = (now - at) / 1000;
  return seconds < 2 ? "just now" : `${duration(seconds)} ago`;
}

export const clock = (ms) => CLOCK.format(ms);
export const moment = (ms) => MOMENT.format(ms);

/** one queue, 2 queues */
export const count = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;

/** A value of a table of arguments. */
export const argument = (value) =>
  typeof value === "object" && value !== null ? JSON.stringify(value) : String(value);
