// Charts of messages: of a queue, an exchange, a channel, and of the whole broker.

import { chart } from "./chart.js";
import { rate, short } from "./format.js";
import { levels, rates, spanSeconds } from "./history.js";
import { preference } from "./preferences.js";

const LENGTHS = [
  ["Ready", "messages_ready"],
  ["Unacknowledged", "messages_unacknowledged"],
  ["Total", "messages"],
];

/** Rates of counters, pairs of a label and a name in `stats`; `key` names the object, as in history.js. */
export function messageRates(key, stats, counters) {
  return chart({
    title: "Message rates",
    unit: rate,
    span: spanSeconds(preference("span")),
    series: counters.map(([label, name]) => ({ label, points: rates(key, stats, name) })),
  });
}

/** How many messages there are in `counts`. */
export function queuedMessages(key, counts) {
  return chart({
    title: "Queued messages",
    unit: short,
    span: spanSeconds(preference("span")),
    whole: true,
    series: LENGTHS.map(([label, name]) => ({ label, points: levels(key, counts, name) })),
  });
}
