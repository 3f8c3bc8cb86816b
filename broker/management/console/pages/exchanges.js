// All exchanges, and the page of one.

import { path, put } from "../api.js";
import { badges } from "../badges.js";
import { ask } from "../dialog.js";
import { rate } from "../format.js";
import { check, field, objectOf } from "../forms.js";
import { Listing } from "../listing.js";
import { note } from "../notes.js";
import { vhostField } from "../queue_actions.js";
import { go, to } from "../router.js";
import { h } from "../view.js";
import { exchange } from "./exchange.js";

const TYPES = [
  ["direct", "direct: the routing key is the binding key"],
  ["topic", "topic: binding keys are patterns"],
  ["fanout", "fanout: to everything that is bound"],
  ["headers", "headers: by the message's headers"],
  ["x-consistent-hash", "x-consistent-hash: spread over queues by the key"],
  ["x-random", "x-random: one queue by chance"],
  ["x-recent-history", "x-recent-history: the last messages for new queues"],
  ["x-delayed-message", "x-delayed-message: after the delay in x-delay"],
];

export function exchanges({ app, names }) {
  if (names.length === 2) return exchange({ app, vhost: names[0], name: names[1] });
  const listing = new Listing(app, {
    label: "Exchanges",
    noun: "exchange",
    source: "exchanges",
    byVhost: (vhost) => path`exchanges/${vhost}`,
    key: (row) => `${row.vhost} ${row.name}`,
    columns: [
      {
        label: "Name",
        sort: "name",
        isMain: true,
        cell: (row) =>
          h("a", { href: to("exchanges", row.vhost, row.name || "amq.default") }, row.name || "(default exchange)"),
      },
      app.vhosts.length > 1 && { label: "Vhost", sort: "vhost", cell: (row) => row.vhost },
      { label: "Type", sort: "type", cell: (row) => row.type },
      { label: "Features", cell: exchangeFeatures },
      {
        label: "In",
        sort: "message_stats.publish_in_details.rate",
        isNumber: true,
        cell: (row) => (row.message_stats ? rate(row.message_stats.publish_in_details?.rate) : ""),
      },
      {
        label: "Out",
        sort: "message_stats.publish_out_details.rate",
        isNumber: true,
        cell: (row) => (row.message_stats ? rate(row.message_stats.publish_out_details?.rate) : ""),
      },
    ],
    empty: h("p", {}, "There is no exchange."),
  });
  return listing.page("Exchanges", { text: "Add an exchange", act: () => declareExchange(app) });
}

export function exchangeFeatures(row) {
  return badges([
    row.durable ? null : ["transient", "Is gone after a restart"],
    row.auto_delete && ["auto-delete", "Is deleted with its last binding"],
    row.internal && ["internal", "Clients cannot publish to it"],
    row.arguments?.["alternate-exchange"] && [
      "alternate",
      `What it cannot route goes to ${row.arguments["alternate-exchange"]}`,
    ],
    row.policy && [row.policy, `Policy: ${row.policy}`],
  ]);
}

async function declareExchange(app) {
  let address = null;
  const submit = async (data) => {
    const [vhost, name] = [data.get("vhost"), data.get("name")];
    const given = objectOf(data.get("arguments"), "Further arguments");
    if (data.get("alternate")) given["alternate-exchange"] = data.get("alternate");
    const flags = Object.fromEntries(
      ["durable", "auto_delete", "internal"].map((flag) => [flag, Boolean(data.get(flag))]),
    );
    await put(path`exchanges/${vhost}/${name}`, { type: data.get("type"), ...flags, arguments: given });
    address = to("exchanges", vhost, name);
  };
  const isDone = await ask({
    title: "Add an exchange",
    action: "Add",
    body: [
      h(
        "div",
        { class: "pair" },
        field({ label: "Name", name: "name", isRequired: true, maxlength: 255 }),
        vhostField(app),
      ),
      field({ label: "Type", name: "type", options: TYPES, value: "direct" }),
      check({ label: "Durable", name: "durable", value: true, hint: "Is there again after a restart." }),
      check({ label: "Auto-delete", name: "auto_delete", hint: "Is deleted with its last binding." }),
      check({ label: "Internal", name: "internal", hint: "Only other exchanges publish to it." }),
      field({ label: "Alternate exchange", name: "alternate", hint: "Takes what no binding takes." }),
      field({
        label: "Further arguments",
        name: "arguments",
        rows: 2,
        hint: 'JSON, such as {"x-delayed-type": "topic"}.',
      }),
    ],
    submit,
  });
  if (!isDone) return;
  note("The exchange is there.");
  go(address);
}
