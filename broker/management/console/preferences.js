// What this browser remembers: the colours, how often to ask, and which vhost is looked at.

const DEFAULTS = { theme: "system", interval: 5, vhost: "", span: "600/5" };
const PREFIX = "ponymq.";

/** Dispatches "change" whenever one is set. */
export const changes = new EventTarget();

export function preference(name) {
  try {
    const text = localStorage.getItem(PREFIX + name);
    return text === null ? DEFAULTS[name] : JSON.parse(text);
  } catch {
    return DEFAULTS[name]; // storage is off, or somebody else's
  }
}

export function prefer(name, value) {
  try {
    localStorage.setItem(PREFIX + name, JSON.stringify(value));
  } catch {
    // Storage is off: the choice lasts as long as nobody asks for it again.
  }
  if (name === "theme") applyTheme();
  changes.dispatchEvent(new CustomEvent("change", { detail: name }));
}

/** Tell the style sheet which colours to use; it follows the system when it is told nothing. */
export function applyTheme() {
  const theme = preference("theme");
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
