// The broker's HTTP API, asked with the session's cookie.
//
// The cookie counts only together with the header, which no page of another origin can send.

const HEADERS = { "X-Requested-With": "PonyMQ" };

/** A refusal of the API, or none at all. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 if there was no answer.
   * @param {string} reason For people.
   */
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

/** Called with every ApiError 401, for whoever shows the login. */
export const sessionEnd = new EventTarget();

/** A path below /api of parts that are names, in a template: path`queues/${vhost}/${name}`. */
export function path(literals, ...names) {
  return literals.reduce((text, literal, at) => text + encodeURIComponent(names[at - 1]) + literal);
}

/** Ask for JSON. `query` is an object; empty values are left out. */
export function get(where, query = {}, signal = undefined) {
  const pairs = Object.entries(query).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const text = new URLSearchParams(pairs).toString();
  return ask("GET", text ? `${where}?${text}` : where, undefined, signal);
}

/** As get, but null where there is nothing, or where this user may see nothing. */
export async function getIfAny(where, query = {}, signal = undefined) {
  try {
    return await get(where, query, signal);
  } catch (error) {
    if (error instanceof ApiError && [401, 404, 405].includes(error.status) && !error.isSessionEnd) return null;
    throw error;
  }
}

export const put = (where, body = {}) => ask("PUT", where, body);
export const post = (where, body = {}) => ask("POST", where, body);
export const remove = (where, headers = {}) => ask("DELETE", where, undefined, undefined, headers);

async function ask(method, where, body, signal, headers = {}) {
  const options = {
    method,
    signal,
    headers: { ...HEADERS, ...headers },
    credentials: "same-origin",
    cache: "no-store",
  };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers["Content-Type"] = "application/json";
  }
  let response;
  try {
    response = await fetch(`api/${where}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The broker does not answer.");
  }
  const text = await response.text();
  let answer = null;
  try {
    answer = text ? JSON.parse(text) : null;
  } catch {
    throw new ApiError(response.status, "The answer is not JSON: is there something between here and the broker?");
  }
  if (response.ok) return answer;
  const error = new ApiError(response.status, reasonOf(response.status, answer));
  if (response.status === 401 && answer?.error === "not_authorized") {
    error.isSessionEnd = true;
    sessionEnd.dispatchEvent(new Event("end"));
  }
  throw error;
}

function reasonOf(status, answer) {
  const reason = answer?.reason;
  if (Array.isArray(reason)) return reason.join(" ");
  return reason ? String(reason) : `The broker answered with status ${status}.`;
}
