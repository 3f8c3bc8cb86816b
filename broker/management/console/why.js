// Why a queue grows or rests, in the broker's own words.

import { to } from "./router.js";
import { h } from "./view.js";

/** The first sentences of `ponymq_why`, each with the connections to look at; nothing if the API says nothing. */
export function reasons(why, most = Infinity) {
  if (!why?.reasons?.length) return null;
  return h(
    "ul",
    { class: "reasons" },
    why.reasons
      .slice(0, most)
      .map(({ code, text, connections }) =>
        h(
          "li",
          { key: code },
          text,
          connections?.length
            ? [
                " ",
                connections.map((name) => h("a", { class: "chip", href: to("connections", name), key: name }, name)),
              ]
            : null,
        ),
      ),
  );
}

const KINDS = { blocked: "bad", growing: "warn", draining: "good", steady: "good", running: "good" };

/** The state of a queue as a badge. */
export function stateBadge(queue) {
  const state = queue.ponymq_why?.state ?? queue.state;
  return state ? h("span", { class: `badge ${KINDS[state] ?? ""}` }, state) : null;
}
