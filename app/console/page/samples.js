// @ts-check
// What the charts show: what the server remembers, and what the page has seen since.

let spanSeconds = 15 * 60;
// Between two points of the server's.
let stepSeconds = 1;
// A chart shows a gap where the page was hidden or the server away.
const gapSeconds = () => Math.max(15, 2.5 * stepSeconds);

/** @typedef {{time: number, values: (number | null)[], own?: boolean}} Sample own: of the page */
/** @typedef {import('./api.js').Status} Status */

/** @type {{label: string, of: (status: Status, before: Status | null) => number | null,
 *   text: (value: number) => string}[]} */
export const figures = [
  { label: 'Queries per second', of: rate, text: (value) => (value < 10 ? value.toFixed(1) : Math.round(value).toLocaleString('en')) },
  { label: 'p50', of: (status) => number(status.p50_ms), text: ms },
  { label: 'p99', of: (status) => number(status.p99_ms), text: ms },
  { label: 'Cache hit ratio', of: (status) => number(status.cache_hit_ratio), text: (value) => `${(100 * value).toFixed(1)} %` },
  {
    label: 'Watch age',
    of: (status) => (status.sources.length === 0 ? null : Math.max(...status.sources.map((source) => source.age_s))),
    text: (value) => `${value.toFixed(1)} s`,
  },
  {
    label: 'Objects',
    of: (status) => status.sources.reduce((sum, source) => sum + source.objects, 0),
    text: (value) => Math.round(value).toLocaleString('en'),
  },
];

/** @param {number} value */
function ms(value) {
  return value < 1 ? `${Math.round(value * 1000)} µs` : `${value.toFixed(value < 10 ? 2 : 0)} ms`;
}

/** @param {unknown} value */
function number(value) {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** @param {Status} status @param {Status | null} before */
function rate(status, before) {
  if (before === null) return null;
  const seconds = status.uptime_s - before.uptime_s;
  // Less than before: it is another process.
  if (seconds <= 0 || status.queries_total < before.queries_total) return null;
  return (status.queries_total - before.queries_total) / seconds;
}

/** @type {Sample[]} */
let samples = [];
/** @type {Status | null} */
let last = null;

/** @param {Status} status @param {number} [time] seconds */
export function note(status, time = Date.now() / 1000) {
  const before = last;
  // A long span has few points; the newest one moves along.
  const { length } = samples;
  if (length > 1 && samples[length - 1].own && time - samples[length - 2].time < stepSeconds) samples.pop();
  samples.push({ time, values: figures.map((figure) => figure.of(status, before)), own: true });
  samples = samples.filter((sample) => sample.time > time - spanSeconds);
  last = status;
}

/** @param {import('./api.js').History} history @param {number} [time] seconds */
export function recall(history, time = Date.now() / 1000) {
  spanSeconds = history.span_s;
  stepSeconds = history.interval_s;
  const { items } = history;
  if (items.length === 0) return;
  // The server's clock may be another; its last point is of now.
  const shift = time - items[items.length - 1].time;
  const first = samples.length === 0 ? Infinity : samples[0].time;
  const before = items.map((item) => ({
    time: item.time + shift,
    values: [item.queries_per_second, item.p50_ms, item.p99_ms, item.cache_hit_ratio, item.watch_age_s, item.objects],
  }));
  samples = before.filter((sample) => sample.time < first).concat(samples);
}

/** How much of the past that is, in words. */
export function past() {
  const minutes = Math.round(spanSeconds / 60);
  const [count, unit] = minutes % 60 === 0 ? [minutes / 60, 'hour'] : [minutes, 'minute'];
  return { last: count === 1 ? `last ${unit}` : `last ${count} ${unit}s`, ago: `${count} ${unit === 'minute' ? 'min' : 'h'} ago` };
}

export const latest = () => last;

/**
 * Of one figure: its latest value, its highest, and the lines of its chart in a square of 1 by 1.
 * @param {number} which
 */
export function series(which) {
  const now = samples.length === 0 ? 0 : samples[samples.length - 1].time;
  let highest = 0;
  for (const sample of samples) highest = Math.max(highest, sample.values[which] ?? 0);
  /** @type {[number, number][][]} */
  const lines = [];
  let before = -Infinity;
  for (const sample of samples) {
    const value = sample.values[which];
    if (value === null) continue;
    if (sample.time - before > gapSeconds()) lines.push([]);
    before = sample.time;
    lines[lines.length - 1].push([1 - (now - sample.time) / spanSeconds, highest === 0 ? 0 : value / highest]);
  }
  return { count: samples.length, latest: samples.length === 0 ? null : samples[samples.length - 1].values[which], highest, lines };
}
