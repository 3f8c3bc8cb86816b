// One connection: who it is, what it moves, and its channels.

import { get, getIfAny, path, remove } from "../api.js";
import { channelTable } from "../channel_table.js";
import { chart } from "../chart.js";
import { ask } from "../dialog.js";
import { argumentList, facts, head } from "../facts.js";
import { ago, byteRate, bytes, count, moment } from "../format.js";
import { field } from "../forms.js";
import { rates, sampleQuery, spanSeconds } from "../history.js";
import { note } from "../notes.js";
import { preference } from "../preferences.js";
import { go } from "../router.js";
import { nowAndBefore } from "../span.js";
import { h } from "../view.js";
import { connectionState } from "./connections.js";

export function connection({ app, name }) {
  let row = null;
  let channels = [];

  async function load(signal) {
    [row, channels] = await Promise.all([
      get(path`connections/${name}`, sampleQuery(preference("span"), "data_rates"), signal),
      getIfAny(path`connections/${name}/channels`, {}, signal),
    ]);
  }

  async function close() {
    const isDone = await ask({
      title: "Close this connection",
      action: "Close it",
      isDangerous: true,
      body: [
        h(
          "p",
          {},
          "Its channels end, and what it has not acknowledged is queued again. Most clients come back at once.",
        ),
        field({ label: "Reason", name: "reason", value: "Closed via the console", hint: "The client is told." }),
      ],
      submit: (data) => remove(path`connections/${name}`, { "X-Reason": data.get("reason") }),
    });
    if (!isDone) return;
    note("The connection is closed.");
    go("#/connections");
  }

  function view() {
    const line = (label, counter) => ({ label, points: rates(`connection ${name}`, row, counter) });
    const properties = { ...row.client_properties };
    const capabilities = Object.entries(properties.capabilities ?? {})
      .filter(([, is]) => is === true)
      .map(([each]) => each);
    delete properties.capabilities;
    return [
      head({
        crumbs: [
          ["Connections", "#/connections"],
          [`vhost ${row.vhost}`, null],
        ],
        title: row.user_provided_name || row.name,
        badges: connectionState(row),
        buttons: [{ text: "Close", kind: "danger", act: close }],
      }),
      nowAndBefore(app),
      chart({
        title: "Data rates",
        unit: byteRate,
        span: spanSeconds(preference("span")),
        series: [line("From the client", "recv_oct"), line("To the client", "send_oct")],
      }),
      channels &&
        h(
          "section",
          { class: "panel", key: "channels" },
          h("h2", {}, count(channels.length, "channel")),
          channelTable(channels, { hasConnection: false, empty: h("p", {}, "The client has opened no channel yet.") }),
        ),
      h(
        "div",
        { class: "columns", key: "details" },
        h(
          "section",
          { class: "panel" },
          h("h2", {}, "Details"),
          facts([
            ["Name", row.name],
            ["User", row.user],
            ["Since", `${moment(row.connected_at)}, ${ago(row.connected_at)}`],
            ["Login", row.auth_mechanism],
            ["Protocol", row.protocol],
            ["Heartbeat", row.timeout ? `${row.timeout} s` : "none"],
            ["Largest frame", bytes(row.frame_max)],
            ["Most channels", row.channel_max],
            ["Received", bytes(row.recv_oct)],
            ["Sent", bytes(row.send_oct)],
            ["TLS", row.ssl && [row.ssl_protocol, row.ssl_cipher].filter(Boolean).join(", ")],
            ["Certificate", row.peer_cert_subject],
          ]),
        ),
        h(
          "section",
          { class: "panel" },
          h("h2", {}, "What the client says of itself"),
          facts([
            ...Object.entries(properties).map(([key, value]) => [
              key,
              typeof value === "object" ? argumentList(value) : String(value),
            ]),
            ["capabilities", capabilities.join(", ")],
          ]),
        ),
      ),
    ];
  }

  return { title: "Connection", hasHead: true, load, view, isLoaded: () => row !== null };
}
