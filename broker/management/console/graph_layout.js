// Where the nodes of a picture of bindings go: exchanges from left to right along their bindings, queues at the right.
//
// Plain functions of plain data: nodes {id, kind}, edges {from, to}.

export const NODE_HEIGHT = 46;
export const WIDE = { node: 210, across: 130 }; // widths of a node and of the room between columns
export const NARROW = { node: 150, across: 44 };
const DOWN = 14; // between nodes of a column
const SWEEPS = 6;

/** Gives nodes their `x` and `y`, edges their `path`, and the width and height of it all. */
export function layOut(nodes, edges, size = WIDE) {
  const placed = new Map(nodes.map((node) => [node.id, { ...node }]));
  const known = edges.filter(({ from, to }) => placed.has(from) && placed.has(to));
  const columns = inColumns([...placed.values()], known);
  untangle(columns, known);
  const tallest = Math.max(1, ...columns.map((column) => column.length));
  columns.forEach((column, across) => {
    const start = ((tallest - column.length) * (NODE_HEIGHT + DOWN)) / 2;
    column.forEach((node, down) => {
      node.x = across * (size.node + size.across);
      node.y = start + down * (NODE_HEIGHT + DOWN);
    });
  });
  return {
    nodes: columns.flat(),
    edges: known.map((edge) => ({ ...edge, ...curve(placed.get(edge.from), placed.get(edge.to), size) })),
    width: columns.length * (size.node + size.across) - size.across,
    height: tallest * (NODE_HEIGHT + DOWN) - DOWN,
  };
}

/** Each exchange one column behind the last exchange that feeds it; queues behind all of them. */
function inColumns(nodes, edges) {
  const feeders = Map.groupBy(edges, ({ to }) => to);
  const isExchange = new Set(nodes.filter(({ kind }) => kind === "exchange").map(({ id }) => id));
  const depths = new Map();
  const depth = (id) => {
    if (depths.has(id)) return depths.get(id);
    depths.set(id, 0); // a circle of bindings ends here
    const before = (feeders.get(id) ?? []).filter(({ from }) => isExchange.has(from) && from !== id);
    const found = before.length ? 1 + Math.max(...before.map(({ from }) => depth(from))) : 0;
    depths.set(id, found);
    return found;
  };
  const last = 1 + Math.max(-1, ...[...isExchange].map(depth));
  const columns = [];
  for (const node of nodes) (columns[isExchange.has(node.id) ? depth(node.id) : last] ??= []).push(node);
  return Array.from(columns, (column) => column ?? []).filter((column) => column.length);
}

/** Order each column by where its neighbours are, to and fro, so that few lines cross. */
function untangle(columns, edges) {
  const neighbours = new Map();
  for (const { from, to } of edges) {
    neighbours.set(from, [...(neighbours.get(from) ?? []), to]);
    neighbours.set(to, [...(neighbours.get(to) ?? []), from]);
  }
  const at = new Map();
  const settle = (column) => column.forEach(({ id }, place) => at.set(id, (place + 0.5) / column.length));
  for (const column of columns) {
    column.sort((a, b) => (a.id < b.id ? -1 : 1));
    settle(column);
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const column of sweep % 2 ? columns.toReversed() : columns) {
      const middle = new Map(
        column.map(({ id }) => {
          const places = (neighbours.get(id) ?? []).map((each) => at.get(each));
          return [id, places.length ? places.reduce((a, b) => a + b) / places.length : at.get(id)];
        }),
      );
      column.sort((a, b) => middle.get(a.id) - middle.get(b.id));
      settle(column);
    }
  }
}

function curve(from, to, size) {
  const x1 = from.x + size.node;
  const y1 = from.y + NODE_HEIGHT / 2;
  const y2 = to.y + NODE_HEIGHT / 2;
  const bend = Math.max(size.across / 2, (to.x - x1) / 2);
  return {
    path: `M${x1} ${y1}C${x1 + bend} ${y1} ${to.x - bend} ${y2} ${to.x} ${y2}`,
    middle: [(x1 + to.x) / 2, (y1 + y2) / 2],
  };
}
