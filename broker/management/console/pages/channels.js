// All channels, and the page of one.

import { get, getIfAny, path } from "../api.js";
import { channelColumns, channelModes } from "../channel_table.js";
import { consumerTable } from "../consumer_table.js";
import { facts, head } from "../facts.js";
import { whole } from "../format.js";
import { sampleQuery } from "../history.js";
import { Listing } from "../listing.js";
import { messageRates } from "../message_charts.js";
import { preference } from "../preferences.js";
import { to } from "../router.js";
import { nowAndBefore } from "../span.js";
import { h } from "../view.js";

export function channels({ app, names }) {
  if (names.length === 1) return channel({ app, name: names[0] });
  const listing = new Listing(app, {
    label: "Channels",
    noun: "channel",
    source: "channels",
    byVhost: (vhost) => path`vhosts/${vhost}/channels`,
    key: (row) => row.name,
    columns: channelColumns(),
    empty: h("p", {}, "No client has a channel open."),
  });
  return listing.page("Channels");
}

const COUNTERS = [
  ["Delivered", "deliver_get"],
  ["Acknowledged", "ack"],
  ["Published", "publish"],
  ["Confirmed", "confirm"],
];

function channel({ app, name }) {
  let row = null;
  let consumers = null;

  async function load(signal) {
    row = await get(path`channels/${name}`, sampleQuery(preference("span"), "msg_rates"), signal);
    consumers =
      row.consumer_details ??
      (await getIfAny(path`consumers/${row.vhost}`, {}, signal))?.filter((each) => each.channel_details?.name === name);
  }

  function view() {
    const owner = row.connection_details?.name;
    return [
      head({
        crumbs: [
          ["Channels", "#/channels"],
          [owner, owner && to("connections", owner)],
        ],
        title: `Channel ${row.number}`,
        badges: channelModes(row),
        buttons: [],
      }),
      row.message_stats && [
        nowAndBefore(app),
        messageRates(
          `channel ${name}`,
          row.message_stats,
          COUNTERS.filter(([, counter]) => counter in row.message_stats),
        ),
      ],
      h(
        "section",
        { class: "panel", key: "details" },
        h("h2", {}, "Details"),
        facts([
          ["Connection", owner && h("a", { href: to("connections", owner) }, owner)],
          ["User", row.user],
          ["Vhost", row.vhost],
          ["Prefetch for each new consumer", row.prefetch_count || "no limit"],
          ["Prefetch of the whole channel", row.global_prefetch_count || "no limit"],
          ["Unacknowledged", whole(row.messages_unacknowledged)],
          ["Unconfirmed", whole(row.messages_unconfirmed)],
          [
            "In a transaction",
            row.transactional && `${whole(row.messages_uncommitted)} messages, ${whole(row.acks_uncommitted)} acks`,
          ],
        ]),
      ),
      consumers &&
        h(
          "section",
          { class: "panel", key: "consumers" },
          h("h2", {}, "Consumers"),
          consumerTable(consumers, { empty: h("p", {}, "This channel consumes from no queue.") }),
        ),
    ];
  }

  return { title: "Channel", hasHead: true, load, view, isLoaded: () => row !== null };
}
