// All connections, and the page of one.

import { path } from "../api.js";
import { ago, byteRate, short } from "../format.js";
import { Listing } from "../listing.js";
import { to } from "../router.js";
import { h } from "../view.js";
import { connection } from "./connection.js";

const COLUMNS =
  "name,user_provided_name,vhost,user,state,ssl,channels,connected_at,recv_oct_details,send_oct_details," +
  "client_properties.product,client_properties.version";

export function connections({ app, names }) {
  if (names.length === 1) return connection({ app, name: names[0] });
  const listing = new Listing(app, {
    label: "Connections",
    noun: "connection",
    source: "connections",
    byVhost: (vhost) => path`vhosts/${vhost}/connections`,
    key: (row) => row.name,
    query: {
      columns: COLUMNS,
    },
    columns: [
      { label: "Name", sort: "name", isMain: true, cell: (row) => connectionLink(row) },
      app.vhosts.length > 1 && { label: "Vhost", sort: "vhost", cell: (row) => row.vhost },
      { label: "User", sort: "user", cell: (row) => row.user },
      { label: "State", sort: "state", cell: (row) => connectionState(row) },
      {
        label: "Client",
        cell: (row) => [row.client_properties?.product, row.client_properties?.version].filter(Boolean).join(" "),
      },
      { label: "Channels", sort: "channels", isNumber: true, cell: (row) => short(row.channels) },
      {
        label: "From client",
        sort: "recv_oct_details.rate",
        isNumber: true,
        cell: (row) => byteRate(row.recv_oct_details?.rate),
      },
      {
        label: "To client",
        sort: "send_oct_details.rate",
        isNumber: true,
        cell: (row) => byteRate(row.send_oct_details?.rate),
      },
      { label: "Since", sort: "connected_at", isNumber: true, cell: (row) => ago(row.connected_at) },
    ],
    empty: [
      h("p", {}, "Nobody is connected."),
      h("p", { class: "muted" }, "Applications connect to the AMQP port; its address is at the foot of the overview."),
    ],
  });
  return listing.page("Connections");
}

const connectionLink = (row) =>
  h(
    "span",
    {},
    h("a", { href: to("connections", row.name) }, row.user_provided_name || row.name),
    row.user_provided_name && h("span", { class: "beside muted" }, row.name),
  );

/** The state as a badge, with a word if it is encrypted. */
export function connectionState({ state, ssl }) {
  const kind = { running: "good", blocked: "bad", blocking: "warn", flow: "warn", closing: "warn" }[state] ?? "";
  return h(
    "span",
    { class: "badges" },
    h("span", { class: `badge ${kind}` }, state),
    ssl && h("span", { class: "badge" }, "TLS"),
  );
}
