// A picture of exchanges, bindings and queues that one can move, enlarge and follow.
//
// Its nodes are links, so that the keyboard reaches them in order.

import { NARROW, NODE_HEIGHT, WIDE, layOut } from "./graph_layout.js";
import { h, render } from "./view.js";

const NARROW_BELOW = 560; // pixels
const MOST_LABELS = 30;
const MARGIN = 24;
const LEAST_SCALE = 0.15;
const LEAST_FIT = 0.6; // below that nobody can read it: one has to move it
const MOST_SCALE = 2;
const STEP = 1.3;

/**
 * The picture.
 *
 * @param {object} spec
 * @param {string} spec.label For those who do not see it.
 * @param {Array<{id: string, kind: string, text: string, detail: string, href: string}>} spec.nodes
 * @param {Array<{from: string, to: string, text: string}>} spec.edges
 * @param {string?} spec.focus The node that stands out.
 */
export function graph(spec) {
  return h("div", { class: "graph", key: `graph ${spec.label}`, hook: keepFitting, draw: (box) => show(box, spec) });
}

/** Its width is known when it is in the document, and changes with the window. */
function keepFitting(box) {
  new ResizeObserver(() => {
    if (box.clientWidth === box.fitted) return;
    box.look = null;
    show(box, box.spec);
  }).observe(box);
}

function show(box, spec) {
  box.spec = spec;
  const size = (box.clientWidth || innerWidth) < NARROW_BELOW ? NARROW : WIDE;
  const shape = JSON.stringify([size, spec.nodes.map(({ id }) => id), spec.edges]);
  if (box.shape !== shape) {
    box.shape = shape;
    box.picture = layOut(spec.nodes, spec.edges, size);
    box.look = null; // where one looks at it: x, y and scale
  }
  const picture = box.picture;
  if (!box.look) {
    box.fitted = box.clientWidth;
    box.look = whole(box, picture);
  }
  const texts = new Map(spec.nodes.map((each) => [each.id, each]));
  const isNear = (edge) => edge.from === spec.focus || edge.to === spec.focus;
  const { x, y, scale } = box.look;
  const zoom = (factor) => () => {
    const { clientWidth: width, clientHeight: height } = box.querySelector("svg");
    zoomAt(box, spec, width / 2, height / 2, factor);
  };
  const fit = () => {
    box.look = null;
    show(box, spec);
  };
  render(
    box,
    h(
      "svg",
      {
        role: "group",
        "aria-label": spec.label,
        style: { height: `${heightOf(box, picture)}px` },
        onpointerdown: grab(box, spec),
        onwheel: (event) => wheel(event, box, spec),
      },
      h(
        "g",
        { transform: `translate(${x} ${y}) scale(${scale})` },
        picture.edges.map((edge) =>
          h(
            "path",
            { key: `${edge.from}>${edge.to}`, class: isNear(edge) ? "edge near" : "edge", d: edge.path },
            h("title", {}, edge.text),
          ),
        ),
        labelled(picture.edges, size, isNear).map((edge) =>
          h(
            "text",
            { key: `text ${edge.from}>${edge.to}`, class: "edge-text", x: edge.middle[0], y: edge.middle[1] - 8 },
            cut(edge.text, 20),
          ),
        ),
        picture.nodes.map((each) => node(texts.get(each.id), each, size, spec.focus)),
      ),
    ),
    h(
      "div",
      { class: "graph-buttons" },
      h("button", { type: "button", "aria-label": "Enlarge", onclick: zoom(STEP) }, "+"),
      h("button", { type: "button", "aria-label": "Reduce", onclick: zoom(1 / STEP) }, "−"),
      h("button", { type: "button", onclick: fit }, "Fit"),
    ),
  );
}

/** Those edges that have room for their routing keys. */
function labelled(edges, size, isNear) {
  if (size === NARROW) return [];
  return edges.length <= MOST_LABELS ? edges : edges.filter(isNear).slice(0, MOST_LABELS);
}

function node({ kind, text, detail, href }, { id, x, y }, size, focus) {
  return h(
    "a",
    {
      key: id,
      href,
      class: `node-link ${kind}${id === focus ? " focus" : ""}`,
      transform: `translate(${x} ${y})`,
      "aria-label": `${kind} ${text}, ${detail}`,
    },
    h("title", {}, text),
    h("rect", { width: size.node, height: NODE_HEIGHT, rx: kind === "exchange" ? NODE_HEIGHT / 2 : 8 }),
    h("text", { class: "node-text", x: kind === "exchange" ? 20 : 14, y: 20 }, cut(text, Math.floor(size.node / 8.8))),
    h(
      "text",
      { class: "node-detail", x: kind === "exchange" ? 20 : 14, y: 36 },
      cut(detail, Math.floor(size.node / 7)),
    ),
  );
}

const cut = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

function fitting(box, picture) {
  return Math.min(1, Math.max(LEAST_FIT, ((box.clientWidth || 800) - 2 * MARGIN) / picture.width));
}

/** All of it if a finger scrolls the page over it; else what the window has room for. */
function heightOf(box, picture) {
  const height = Math.max(120, picture.height * fitting(box, picture) + 2 * MARGIN);
  return matchMedia("(hover: hover)").matches ? Math.min(innerHeight * 0.75, height) : height;
}

function whole(box, picture) {
  const [width, height] = [box.clientWidth || 800, heightOf(box, picture)];
  const scale = Math.min(fitting(box, picture), Math.max(LEAST_FIT, (height - 2 * MARGIN) / picture.height));
  const middle = (room, size) => Math.max(MARGIN / 2, (room - size * scale) / 2);
  return { x: middle(width, picture.width), y: middle(height, picture.height), scale };
}

function zoomAt(box, spec, atX, atY, factor) {
  const { x, y, scale } = box.look;
  const next = Math.min(MOST_SCALE, Math.max(LEAST_SCALE, scale * factor));
  box.look = { x: atX - ((atX - x) / scale) * next, y: atY - ((atY - y) / scale) * next, scale: next };
  show(box, spec);
}

/** The wheel alone scrolls the page; with Ctrl, and when fingers pinch, it enlarges. */
function wheel(event, box, spec) {
  if (!event.ctrlKey) return;
  event.preventDefault();
  const frame = event.currentTarget.getBoundingClientRect();
  zoomAt(box, spec, event.clientX - frame.left, event.clientY - frame.top, Math.exp(-event.deltaY / 200));
}

function grab(box, spec) {
  return (event) => {
    if (event.button !== 0) return;
    const svg = event.currentTarget;
    const from = { x: event.clientX - box.look.x, y: event.clientY - box.look.y };
    let hasMoved = false;
    const move = ({ clientX, clientY, pointerId }) => {
      if (!hasMoved && Math.hypot(clientX - event.clientX, clientY - event.clientY) < 5) return;
      hasMoved = true;
      svg.setPointerCapture(pointerId);
      box.look = { ...box.look, x: clientX - from.x, y: clientY - from.y };
      show(box, spec);
    };
    const drop = () => {
      svg.removeEventListener("pointermove", move);
      svg.removeEventListener("pointerup", drop);
      svg.removeEventListener("pointercancel", drop);
    };
    // A link that is dragged moves the picture, and is not followed.
    svg.addEventListener("click", (click) => hasMoved && click.preventDefault(), { once: true, capture: true });
    svg.addEventListener("pointermove", move);
    svg.addEventListener("pointerup", drop);
    svg.addEventListener("pointercancel", drop);
  };
}
