// Bindings as nodes and edges of a picture.

import { count, short } from "./format.js";
import { to } from "./router.js";

export const exchangeId = (name) => `exchange:${name}`;
export const queueId = (name) => `queue:${name}`;
const destinationId = ({ destination, destination_type: kind }) => `${kind}:${destination}`;

/** Nodes and edges of these bindings; several between the same two are one edge. Addresses come from `href`. */
export function pictureOf(bindings, { vhost, exchanges = [], queues = [], href }) {
  const nodes = new Map();
  const details = new Map([
    ...exchanges.map((each) => [exchangeId(each.name), each.type]),
    ...queues.map((each) => [
      queueId(each.name),
      `${short(each.messages)} messages, ${count(each.consumers, "consumer")}`,
    ]),
  ]);
  const add = (id, kind, name) =>
    nodes.set(id, {
      id,
      kind,
      text: name || "(default exchange)",
      detail: details.get(id) ?? kind,
      href: (href ?? page)(kind, vhost, name),
    });
  const edges = new Map();
  for (const binding of bindings) {
    const from = exchangeId(binding.source);
    const end = destinationId(binding);
    add(from, "exchange", binding.source);
    add(end, binding.destination_type, binding.destination);
    const edge = edges.get(`${from}>${end}`) ?? { from, to: end, keys: [] };
    edge.keys.push(binding.routing_key || (Object.keys(binding.arguments ?? {}).length ? "headers" : "(no key)"));
    edges.set(`${from}>${end}`, edge);
  }
  return {
    nodes: [...nodes.values()],
    edges: [...edges.values()].map(({ keys, ...edge }) => ({
      ...edge,
      text: keys.length > 3 ? `${keys.length} bindings` : keys.join(", "),
    })),
  };
}

function page(kind, vhost, name) {
  return to(`${kind}s`, vhost, name || "amq.default");
}
