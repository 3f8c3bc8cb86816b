// One exchange: what comes in, and where it goes.

import { get, getIfAny, path, remove } from "../api.js";
import { exchangeId, pictureOf } from "../binding_graph.js";
import { bind, bindingTable } from "../bindings.js";
import { confirm } from "../dialog.js";
import { argumentList, facts, head } from "../facts.js";
import { whole } from "../format.js";
import { graph } from "../graph.js";
import { sampleQuery } from "../history.js";
import { messageRates } from "../message_charts.js";
import { publish } from "../messages.js";
import { note } from "../notes.js";
import { preference } from "../preferences.js";
import { go } from "../router.js";
import { nowAndBefore } from "../span.js";
import { h } from "../view.js";
import { exchangeFeatures } from "./exchanges.js";

const MOST_DRAWN = 60;
const COUNTERS = [
  ["In", "publish_in"],
  ["Out", "publish_out"],
];

export function exchange({ app, vhost, name }) {
  let row = null;
  let outgoing = null;
  let incoming = null;
  const title = name === "amq.default" ? "Default exchange" : name;

  async function load(signal) {
    const where = path`exchanges/${vhost}/${name}`;
    [row, outgoing, incoming] = await Promise.all([
      get(where, sampleQuery(preference("span"), "msg_rates"), signal),
      getIfAny(`${where}/bindings/source`, {}, signal),
      getIfAny(`${where}/bindings/destination`, {}, signal),
    ]);
  }

  async function destroy() {
    const isDone = await confirm({
      title: `Delete ${name}`,
      text: "The exchange and its bindings will be deleted. Clients that publish to it lose their channel.",
      action: "Delete",
      word: name,
      submit: () => remove(path`exchanges/${vhost}/${name}`),
    });
    if (!isDone) return;
    note("The exchange is deleted.");
    go("#/exchanges");
  }

  function view() {
    const isOurs = row.name === "" || row.name.startsWith("amq.");
    const bindings = [...(incoming ?? []), ...(outgoing ?? [])];
    return [
      head({
        crumbs: [
          ["Exchanges", "#/exchanges"],
          [`vhost ${vhost}`, null],
        ],
        title,
        badges: h("p", { class: "badges" }, h("span", { class: "badge" }, row.type), exchangeFeatures(row)),
        buttons: [
          { text: "Publish", act: () => publish(app, { vhost, exchange: name }), isOff: row.internal },
          row.name !== "" && { text: "Bind", act: () => bind(app, { vhost, source: name }) },
          !isOurs && { text: "Delete", kind: "danger", act: destroy },
        ],
      }),
      row.message_stats && [
        nowAndBefore(app),
        messageRates(`exchange ${vhost} ${name}`, row.message_stats, COUNTERS),
      ],
      row.name === ""
        ? h(
            "div",
            { class: "empty", key: "default" },
            h(
              "p",
              {},
              "Every queue is bound to the default exchange by its own name. It cannot be bound, unbound or deleted.",
            ),
          )
        : outgoing &&
          h(
            "section",
            { class: "panel", key: "bindings" },
            h("h2", {}, "Bindings"),
            bindings.length > 0 &&
              bindings.length <= MOST_DRAWN &&
              graph({
                label: `What ${title} is bound to`,
                ...pictureOf(bindings, { vhost, exchanges: [row] }),
                focus: exchangeId(row.name),
              }),
            bindingTable(app, bindings, {
              label: "Bindings",
              empty: h(
                "p",
                {},
                "Nothing is bound to it: what is published here goes nowhere, or to its alternate exchange.",
              ),
            }),
          ),
      h(
        "section",
        { class: "panel", key: "details" },
        h("h2", {}, "Details"),
        facts([
          ["Type", row.type],
          ["Durable", row.durable ? "yes" : "no"],
          ["Arguments", argumentList(row.arguments)],
          ["Policy", row.policy],
          ["Messages that wait", row.messages_delayed === undefined ? null : whole(row.messages_delayed)],
        ]),
      ),
    ];
  }

  return { title, hasHead: true, load, view, isLoaded: () => row !== null };
}
