// Addresses within the console: #/queues/%2F/orders?sort=messages. They can be kept, sent to others, and gone back to.

/** The address as its parts, decoded, and its query. */
export function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?", 2);
  return { parts: path.split("/").filter(Boolean).map(decoded), query: new URLSearchParams(query ?? "") };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // a % that somebody typed
  }
}

/** An address from parts that are names. */
export function to(...parts) {
  return `#/${parts.map(encodeURIComponent).join("/")}`;
}

/** The same page with other query keys; no step in the history, for they change with every click. */
export function replaceQuery(changes) {
  const { query } = place();
  for (const [name, value] of Object.entries(changes)) {
    if (value === "" || value === undefined || value === null) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  const path = location.hash.split("?", 1)[0] || "#/";
  history.replaceState(null, "", text ? `${path}?${text}` : path);
}

/** Go to another page. */
export function go(address) {
  location.hash = address;
}
