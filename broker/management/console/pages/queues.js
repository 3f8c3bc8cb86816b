// All queues and streams, and the page of one.

import { path } from "../api.js";
import { badges } from "../badges.js";
import { rate, short } from "../format.js";
import { Listing } from "../listing.js";
import { declareQueue } from "../queue_actions.js";
import { to } from "../router.js";
import { h } from "../view.js";
import { stateBadge } from "../why.js";
import { queue } from "./queue.js";

const COLUMNS =
  "name,vhost,type,durable,auto_delete,exclusive,arguments,policy,state,messages,messages_ready," +
  "messages_unacknowledged,consumers,message_stats.publish_details,message_stats.deliver_get_details," +
  "ponymq_why";

export function queues({ app, names }) {
  if (names.length === 2) return queue({ app, vhost: names[0], name: names[1] });
  const add = () => declareQueue(app);
  const listing = new Listing(app, {
    label: "Queues",
    noun: "queue",
    source: "queues",
    byVhost: (vhost) => path`queues/${vhost}`,
    key: (row) => `${row.vhost} ${row.name}`,
    query: {
      columns: COLUMNS,
    },
    columns: [
      {
        label: "Name",
        sort: "name",
        isMain: true,
        cell: (row) => h("a", { href: to("queues", row.vhost, row.name) }, row.name || "(no name)"),
      },
      app.vhosts.length > 1 && { label: "Vhost", sort: "vhost", cell: (row) => row.vhost },
      { label: "Features", cell: features },
      {
        label: "State",
        cell: (row) =>
          h("span", { title: row.ponymq_why?.reasons?.map(({ text }) => text).join(" ") || null }, stateBadge(row)),
      },
      { label: "Ready", sort: "messages_ready", isNumber: true, cell: (row) => short(row.messages_ready) },
      {
        label: "Unacked",
        sort: "messages_unacknowledged",
        isNumber: true,
        cell: (row) => short(row.messages_unacknowledged),
      },
      { label: "Consumers", sort: "consumers", isNumber: true, cell: (row) => short(row.consumers) },
      {
        label: "In",
        sort: "message_stats.publish_details.rate",
        isNumber: true,
        cell: (row) => rate(row.message_stats?.publish_details?.rate),
      },
      {
        label: "Out",
        sort: "message_stats.deliver_get_details.rate",
        isNumber: true,
        cell: (row) => rate(row.message_stats?.deliver_get_details?.rate),
      },
    ],
    empty: [
      h("p", {}, "There is no queue yet."),
      h("p", { class: "muted" }, "Applications declare theirs when they connect; you can add one here, too."),
      h("button", { type: "button", class: "primary", onclick: add }, "Add a queue"),
    ],
  });
  return listing.page("Queues and streams", { text: "Add a queue", act: add });
}

/** Type, durability and arguments as short badges. */
export function features(row) {
  return badges([
    row.type !== "classic" && [row.type, `Type: ${row.type}`],
    row.durable ? null : ["transient", "Is gone after a restart"],
    row.auto_delete && ["auto-delete", "Is deleted when its last consumer goes"],
    row.exclusive && ["exclusive", "Belongs to one connection"],
    row.arguments?.["x-message-ttl"] !== undefined && [
      "TTL",
      `Messages expire after ${row.arguments["x-message-ttl"]} ms`,
    ],
    row.arguments?.["x-dead-letter-exchange"] !== undefined && [
      "DLX",
      `Dead letters go to ${row.arguments["x-dead-letter-exchange"] || "the default exchange"}`,
    ],
    row.arguments?.["x-max-length"] !== undefined && ["limit", `At most ${row.arguments["x-max-length"]} messages`],
    row.policy && [row.policy, `Policy: ${row.policy}`],
  ]);
}
