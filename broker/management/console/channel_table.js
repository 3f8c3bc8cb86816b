// The columns of channels, for their list and for the page of a connection.

import { badges } from "./badges.js";
import { short } from "./format.js";
import { to } from "./router.js";
import { table } from "./table.js";
import { h } from "./view.js";

/** Columns as `table` takes them. */
export function channelColumns({ hasConnection = true } = {}) {
  return [
    {
      label: "Channel",
      sort: "name",
      isMain: true,
      cell: (row) => h("a", { href: to("channels", row.name) }, hasConnection ? row.name : `Channel ${row.number}`),
    },
    hasConnection && { label: "Vhost", sort: "vhost", cell: (row) => row.vhost },
    hasConnection && { label: "User", sort: "user", cell: (row) => row.user },
    { label: "Mode", cell: (row) => channelModes(row) },
    { label: "Consumers", sort: "consumer_count", isNumber: true, cell: (row) => short(row.consumer_count) },
    { label: "Prefetch", sort: "prefetch_count", isNumber: true, cell: (row) => row.prefetch_count || "–" },
    {
      label: "Unacked",
      sort: "messages_unacknowledged",
      isNumber: true,
      cell: (row) => short(row.messages_unacknowledged),
    },
    {
      label: "Unconfirmed",
      sort: "messages_unconfirmed",
      isNumber: true,
      cell: (row) => short(row.messages_unconfirmed),
    },
  ];
}

/** Channels that are all there. */
export function channelTable(channels, { hasConnection = true, empty }) {
  return table({
    label: "Channels",
    rows: channels,
    key: (row) => row.name,
    columns: channelColumns({ hasConnection }),
    empty,
  });
}

export function channelModes(row) {
  return badges([
    row.confirm && ["confirm", "The broker confirms what is published"],
    row.transactional && ["tx", "Transactional"],
  ]);
}
