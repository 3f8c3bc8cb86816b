// Line charts: an SVG that stretches, with its axes and its legend in HTML beside it.
//
// The legend tells the newest values, or those under the pointer. The arrow keys move the pointer, too.

import { clock } from "./format.js";
import { h, render } from "./view.js";

const WIDTH = 1000;
const HEIGHT = 240;
const LINES = 4;
const SHORTEST_S = 60;

/**
 * A chart.
 *
 * @param {object} spec
 * @param {string} spec.title What is shown.
 * @param {function(number): string} spec.unit Writes a value.
 * @param {number} spec.span Seconds from the left edge to the right one.
 * @param {Array<{label: string, points: Array}>} spec.series Points as history.js has them. Colours go by the order.
 */
export function chart(spec) {
  return h("figure", { class: "chart", key: spec.title, draw: (figure) => show(figure, spec) });
}

function show(figure, spec) {
  figure.spec = spec;
  const end = Math.max(...spec.series.map(({ points }) => points.at(-1)?.[0] ?? 0)) || Date.now();
  const first = Math.min(...spec.series.map(({ points }) => points[0]?.[0] ?? end));
  // A broker or a page that is young has little to show: what there is fills the width.
  const start = end - 1000 * Math.min(spec.span, Math.max(SHORTEST_S, (end - first) / 1000));
  const at = figure.cursor === undefined ? null : start + figure.cursor * (end - start);
  const top = niceTop(
    Math.max(0, ...spec.series.flatMap(({ points }) => points.map(([ms, value]) => (ms < start ? 0 : (value ?? 0))))),
    spec.whole,
  );
  const x = (ms) => ((ms - start) / (end - start)) * WIDTH;
  const y = (value) => HEIGHT - (value / top) * HEIGHT;
  const values = spec.series.map(({ points }) => valueAt(points, at));
  const isEmpty = spec.series.every(({ points }) => points.filter(([, value]) => value !== null).length < 2);
  render(
    figure,
    h("figcaption", {}, h("span", {}, spec.title), h("time", {}, at === null ? "" : clock(at))),
    h(
      "div",
      { class: "plot" },
      h(
        "div",
        { class: "y-axis", "aria-hidden": "true" },
        steps(top).map((value) => h("span", {}, spec.unit(value))),
      ),
      h(
        "svg",
        {
          viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
          preserveAspectRatio: "none",
          role: "img",
          tabindex: 0,
          "aria-label": `${spec.title}: ${spec.series.map(({ label }, i) => `${label} ${values[i]}`).join(", ")}`,
          onpointermove: follow,
          onpointerleave: leave,
          onblur: leave,
          onkeydown: step,
        },
        steps(top).map((value) => h("line", { class: "grid", x1: 0, x2: WIDTH, y1: y(value), y2: y(value) })),
        // The first one last, so that it is above the others.
        spec.series.map(({ points }, i) => line(points, i, start, x, y)).toReversed(),
        at !== null && h("line", { class: "cursor", x1: x(at), x2: x(at), y1: 0, y2: HEIGHT }),
      ),
      isEmpty && h("p", { class: "plot-empty" }, "Collecting…"),
      h(
        "div",
        { class: "x-axis", "aria-hidden": "true" },
        [0, 0.5, 1].map((part) => h("span", {}, clock(start + part * (end - start)))),
      ),
    ),
    h(
      "ul",
      { class: "legend" },
      spec.series.map(({ label }, i) =>
        h(
          "li",
          { class: `series-${i + 1}` },
          h("span", { class: "swatch" }),
          h("span", {}, label),
          h("b", {}, values[i] === null ? "–" : spec.unit(values[i])),
        ),
      ),
    ),
  );
}

function line(points, index, start, x, y) {
  let path = "";
  let isDown = false;
  let first = null;
  let last = null;
  for (const [ms, value] of points) {
    if (ms < start - 60_000) continue;
    if (value === null) {
      isDown = false;
      continue;
    }
    path += `${isDown ? "L" : "M"}${x(ms).toFixed(1)} ${y(value).toFixed(1)}`;
    first ??= x(ms);
    last = x(ms);
    isDown = true;
  }
  if (!path) return null;
  const hasGap = path.lastIndexOf("M") > 0;
  return h(
    "g",
    { class: `series-${index + 1}` },
    index === 0 &&
      !hasGap &&
      h("path", { class: "area", d: `${path}L${last.toFixed(1)} ${HEIGHT}L${first.toFixed(1)} ${HEIGHT}Z` }),
    h("path", { class: "line", d: path }),
  );
}

function valueAt(points, at) {
  if (at === null) return points.at(-1)?.[1] ?? null;
  let best = null;
  for (const point of points) {
    if (best === null || Math.abs(point[0] - at) < Math.abs(best[0] - at)) best = point;
  }
  return best?.[1] ?? null;
}

/** The smallest of 1, 2, 4 and 8 times a power of ten that is not below the value, so that quarters are round. */
function niceTop(value, isWhole = false) {
  if (!(value > 0)) return isWhole ? 4 : 1;
  const power = 10 ** Math.floor(Math.log10(value));
  const top = [1, 2, 4, 6, 8, 10].find((factor) => factor * power >= value) * power;
  return isWhole ? Math.max(4, top) : top;
}

function steps(top) {
  return Array.from({ length: LINES + 1 }, (_, i) => (top * (LINES - i)) / LINES);
}

function follow(event) {
  const box = event.currentTarget.getBoundingClientRect();
  pointAt(event.currentTarget, (event.clientX - box.left) / box.width);
}

function leave(event) {
  pointAt(event.currentTarget, undefined);
}

function step(event) {
  const by = { ArrowLeft: -0.02, ArrowRight: 0.02, Home: -1, End: 1 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  pointAt(event.currentTarget, (event.currentTarget.closest("figure").cursor ?? 1) + by);
}

function pointAt(svg, cursor) {
  const figure = svg.closest("figure");
  figure.cursor = cursor === undefined ? undefined : Math.min(1, Math.max(0, cursor));
  show(figure, figure.spec);
}
