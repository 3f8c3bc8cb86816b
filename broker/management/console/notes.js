// Short notes of what was done, or was not; read aloud by screen readers.

const SECONDS = { good: 5, bad: 12 };

/** Show a text for some seconds. `kind` is "good" or "bad". */
export function note(text, kind = "good") {
  const place = document.getElementById("notes");
  const item = document.createElement("p");
  item.className = kind;
  item.textContent = text;
  place.append(item);
  setTimeout(() => item.remove(), SECONDS[kind] * 1000);
}
