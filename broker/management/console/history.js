// Points in time of what the API counts, for charts: its own samples where it keeps them, else those seen here.

const MOST_OBJECTS = 60;
const MOST_POINTS = 1_000;

const seen = new Map();

/** The spans that charts offer: value of the preference, then its name. */
export const SPANS = [
  ["60/5", "Last minute"],
  ["600/5", "10 minutes"],
  ["3600/60", "Hour"],
  ["28800/600", "8 hours"],
  ["86400/1800", "Day"],
];

/** Query keys that ask for samples over a span such as "600/5"; kinds are lengths, msg_rates, data_rates. */
export function sampleQuery(span, ...kinds) {
  const [age, incr] = span.split("/");
  return Object.fromEntries(
    kinds.flatMap((kind) => [
      [`${kind}_age`, age],
      [`${kind}_incr`, incr],
    ]),
  );
}

export const spanSeconds = (span) => Number(span.split("/")[0]);

/**
 * Points of one number that rises and falls: [[ms, value], …], oldest first.
 *
 * @param {string} key Names the object, for what is remembered here.
 * @param {object} counts Where `name` and `name_details` are.
 */
export function levels(key, counts, name) {
  const samples = counts?.[`${name}_details`]?.samples;
  if (samples?.length) return oldestFirst(samples);
  return remembered(`${key} ${name}`, counts?.[name]);
}

/** Points of the rate, per second, of a counter; a counter that fell was begun anew, and is a gap. */
export function rates(key, counts, name) {
  const details = counts?.[`${name}_details`];
  if (!(details?.samples?.length > 1)) return remembered(`${key} ${name} rate`, details?.rate);
  const points = oldestFirst(details.samples);
  return points.slice(1).map(([ms, value], at) => {
    const [before, earlier] = points[at];
    return [ms, value < earlier || ms <= before ? null : ((value - earlier) * 1000) / (ms - before)];
  });
}

function oldestFirst(samples) {
  return samples.map(({ timestamp, sample }) => [timestamp, sample]).sort((a, b) => a[0] - b[0]);
}

function remembered(key, value) {
  const points = seen.get(key) ?? [];
  seen.delete(key); // and in again: the map is in the order of use
  seen.set(key, points);
  if (seen.size > MOST_OBJECTS) seen.delete(seen.keys().next().value);
  const now = Date.now();
  const last = points.at(-1);
  if (Number.isFinite(value) && !(last && now - last[0] < 500)) {
    if (last && now - last[0] > 60_000) points.push([now - 1, null]); // nobody looked: no line across
    points.push([now, value]);
  }
  if (points.length > MOST_POINTS) points.splice(0, points.length - MOST_POINTS);
  return points.slice();
}
