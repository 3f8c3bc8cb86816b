// How messages go: exchanges, bindings and queues of one vhost as a picture that one can follow.

import { get, getIfAny, path } from "../api.js";
import { bindingTable } from "../bindings.js";
import { exchangeId, pictureOf, queueId } from "../binding_graph.js";
import { count } from "../format.js";
import { graph } from "../graph.js";
import { preference } from "../preferences.js";
import { place, replaceQuery, to } from "../router.js";
import { h } from "../view.js";

const MOST_NODES = 80;
const MOST_DETAILS = 500;
const TYPING_MS = 200;

export function topology({ app, query: asked }) {
  const vhost = asked.get("vhost") ?? (preference("vhost") || app.vhosts[0]);
  let all = null;
  let exchanges = [];
  let queues = [];
  let typing = null;

  async function load(signal) {
    const columns = {
      page: 1,
      page_size: MOST_DETAILS,
      sort: "messages",
      sort_reverse: true,
      columns: "name,messages,consumers",
    };
    const [bindings, listed, fullest] = await Promise.all([
      getIfAny(path`bindings/${vhost}`, {}, signal),
      get(path`exchanges/${vhost}`, { columns: "name,type" }, signal),
      get(path`queues/${vhost}`, columns, signal),
    ]);
    all = (bindings ?? []).filter(({ source }) => source);
    exchanges = listed;
    queues = fullest.items;
  }

  const address = (id) => `#/topology?${new URLSearchParams({ vhost, focus: id })}`;

  function view() {
    const { query } = place();
    const focus = query.get("focus");
    const filter = (query.get("name") ?? "").toLowerCase();
    const wanted = focus
      ? around(all, focus)
      : all.filter(({ source, destination }) => `${source} ${destination}`.toLowerCase().includes(filter));
    const shown = within(wanted, MOST_NODES);
    const href = (kind, _, name) => {
      const id = kind === "exchange" ? exchangeId(name) : queueId(name);
      return id === focus ? to(`${kind}s`, vhost, name) : address(id);
    };
    const picture = pictureOf(shown, { vhost, exchanges, queues, href });
    return [
      h(
        "div",
        { class: "list-bar", key: "bar" },
        h(
          "label",
          { class: "search" },
          h("span", { class: "hidden" }, "Filter by name"),
          h("input", {
            type: "search",
            placeholder: "Filter exchanges and queues by name",
            value: query.get("name") ?? "",
            oninput: typed,
          }),
        ),
        app.vhosts.length > 1 &&
          h(
            "select",
            {
              "aria-label": "Virtual host",
              onchange: (event) => (location.hash = `#/topology?${new URLSearchParams({ vhost: event.target.value })}`),
            },
            app.vhosts.map((name) => h("option", { value: name, selected: name === vhost }, name)),
          ),
        focus && h("a", { class: "button", href: `#/topology?${new URLSearchParams({ vhost })}` }, "Show all"),
        focus &&
          h(
            "a",
            { class: "button", href: to(`${focus.split(":", 1)[0]}s`, vhost, focus.slice(focus.indexOf(":") + 1)) },
            `Open this ${focus.split(":", 1)[0]}`,
          ),
        h(
          "span",
          { class: "muted total", role: "status" },
          shown.length < wanted.length
            ? `${count(shown.length, "binding")} of ${wanted.length}: filter, or follow a node`
            : count(shown.length, "binding"),
        ),
      ),
      shown.length
        ? h(
            "section",
            { class: "panel topology", key: "picture" },
            graph({ label: `Bindings of vhost ${vhost}`, ...picture, focus }),
          )
        : h(
            "div",
            { class: "empty", key: "none" },
            all.length
              ? h("p", {}, "No exchange or queue with a binding has a name like that.")
              : [
                  h("p", {}, "No exchange of this vhost has a binding yet."),
                  h(
                    "p",
                    { class: "muted" },
                    "The default exchange, which reaches every queue by its name, is not drawn.",
                  ),
                  h("a", { class: "button", href: "#/exchanges" }, "Go to the exchanges"),
                ],
          ),
      shown.length > 0 &&
        h(
          "details",
          { class: "panel", key: "list" },
          h("summary", {}, "The same as a list"),
          bindingTable(app, shown, { label: "Bindings", empty: null }),
        ),
    ];
  }

  function typed(event) {
    replaceQuery({ name: event.target.value, focus: "" });
    clearTimeout(typing);
    typing = setTimeout(() => app.draw(), TYPING_MS);
  }

  return { title: "Topology", load, view, isLoaded: () => all !== null, close: () => clearTimeout(typing) };
}

/** The bindings on every way through a node: all that leads to it, and all that it leads to. */
function around(bindings, focus) {
  const ends = ({ source, destination, destination_type: kind }) => [exchangeId(source), `${kind}:${destination}`];
  const found = new Set();
  for (const [near, far] of [
    [1, 0],
    [0, 1],
  ]) {
    const reached = new Set([focus]);
    const waiting = [focus];
    const byEnd = Map.groupBy(bindings, (each) => ends(each)[near]);
    while (waiting.length) {
      for (const binding of byEnd.get(waiting.pop()) ?? []) {
        found.add(binding);
        const next = ends(binding)[far];
        if (!reached.has(next)) waiting.push(next);
        reached.add(next);
      }
    }
  }
  return [...found];
}

/** As many bindings as fit into a picture of so many nodes. */
function within(bindings, most) {
  const nodes = new Set();
  return bindings.filter(({ source, destination, destination_type: kind }) => {
    const ends = [exchangeId(source), `${kind}:${destination}`].filter((id) => !nodes.has(id));
    if (nodes.size + ends.length > most) return false;
    ends.forEach((id) => nodes.add(id));
    return true;
  });
}
