// Consumers as a table.

import { to } from "./router.js";
import { table } from "./table.js";
import { h } from "./view.js";

/** Consumers as the API lists them; `queue` is false on the queue's own page. */
export function consumerTable(consumers, { hasQueue = true, empty }) {
  return table({
    label: "Consumers",
    rows: consumers,
    key: (row) => `${row.channel_details?.name} ${row.consumer_tag}`,
    columns: [
      { label: "Consumer tag", isMain: true, cell: (row) => row.consumer_tag },
      hasQueue && {
        label: "Queue",
        cell: (row) => h("a", { href: to("queues", row.queue.vhost, row.queue.name) }, row.queue.name),
      },
      {
        label: "Channel",
        cell: (row) =>
          row.channel_details?.name
            ? h("a", { href: to("channels", row.channel_details.name) }, row.channel_details.name)
            : "",
      },
      { label: "User", cell: (row) => row.channel_details?.user },
      { label: "Acks", cell: (row) => (row.ack_required ? "manual" : "automatic") },
      { label: "Prefetch", isNumber: true, cell: (row) => row.prefetch_count || "no limit" },
      {
        label: "State",
        cell: (row) =>
          h(
            "span",
            { class: row.active === false ? "badge warn" : "badge good" },
            row.activity_status ?? (row.active === false ? "waiting" : "up"),
          ),
      },
    ],
    empty,
  });
}
