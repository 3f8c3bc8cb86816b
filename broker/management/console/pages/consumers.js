// All consumers: which channel takes from which queue.

import { getIfAny, path } from "../api.js";
import { consumerTable } from "../consumer_table.js";
import { count } from "../format.js";
import { preference } from "../preferences.js";
import { h } from "../view.js";

const MOST_SHOWN = 500;

export function consumers({ app }) {
  let rows = null;
  let filter = "";

  async function load(signal) {
    const vhost = preference("vhost");
    rows = (await getIfAny(vhost ? path`consumers/${vhost}` : "consumers", {}, signal)) ?? [];
  }

  function typed(event) {
    filter = event.target.value.toLowerCase();
    app.draw();
  }

  function view() {
    const found = rows.filter((row) =>
      `${row.queue.name} ${row.consumer_tag} ${row.channel_details?.name}`.toLowerCase().includes(filter),
    );
    const shown = found.slice(0, MOST_SHOWN);
    return [
      h(
        "div",
        { class: "list-bar", key: "bar" },
        h(
          "label",
          { class: "search" },
          h("span", { class: "hidden" }, "Filter"),
          h("input", { type: "search", placeholder: "Filter by queue, tag or channel", oninput: typed }),
        ),
        h(
          "span",
          { class: "muted total", role: "status" },
          shown.length < rows.length
            ? `${shown.length} of ${count(rows.length, "consumer")}`
            : count(rows.length, "consumer"),
        ),
      ),
      consumerTable(shown, {
        empty: rows.length ? h("p", {}, "No consumer is like that.") : h("p", {}, "Nobody consumes from any queue."),
      }),
    ];
  }

  return { title: "Consumers", load, view, isLoaded: () => rows !== null };
}
