// @ts-check
// The server: what it answers, what it streams, and whether it is there.

/** @typedef {{version: string, uptime_s: number, ready: boolean,
 *   sources: {kind: string, in_sync: boolean, age_s: number, objects: number}[],
 *   queries_total: number, warnings: {code: string, text: string, name: string | null}[],
 *   p50_ms?: number | null, p99_ms?: number | null, cache_hit_ratio?: number | null}} Status */
/** @typedef {{span_s: number, interval_s: number, items: {time: number, queries_per_second: number | null,
 *   p50_ms: number | null, p99_ms: number | null, cache_hit_ratio: number | null,
 *   watch_age_s: number | null, objects: number}[]}} History */
/** @typedef {{namespace: string, name: string, type: string, addresses: string[], ports: string[],
 *   endpoints: string[], names: string[], externalName?: string, state: string}} Service */
/** @typedef {{host: string, kind: string, namespace: string, name: string, gateway: string,
 *   addresses: string[], routed_to: string[], state: string, source?: string}} Host */
/** @typedef {{code?: string, severity: string, text: string, fix?: string, file?: string, line?: number,
 *   column?: number, object?: {kind: string, namespace: string | null, name: string}}} Finding */
/** @typedef {{name: string, type: string, ttl: number, data: string}} DnsRecord */
/** @typedef {{kind: string, namespace: string, name: string, role: string, detail: string,
 *   source: string, created?: string | null}} ChainObject */
/** @typedef {{question: {name: string, type: string, client: string, namespace: string | null},
 *   answer: {rcode: string, stage: string | null, records: DnsRecord[], error: string | null,
 *     upstream: string | null, age_s?: number | null},
 *   tried: {name: string, rcode: string}[], objects: ChainObject[], problems: Finding[]}} Explanation */
/** @typedef {{address: string, state: string, latency_ms: number | null, requests: number,
 *   failures: number, loop: boolean}} Upstream */
/** @typedef {{corefile: string, loaded: number, error: string | null}} Config */
/** @typedef {{time: number, kind: string, namespace: string, name: string, change: string,
 *   what: string[], dropped?: number}} Change */
/** @typedef {{time: number, client: string, name: string, type: string, rcode: string, ms: number,
 *   dropped?: number, sampled?: boolean, skipped?: number}} Query */

const kPatienceMs = 30_000;
const kRetryMs = 1000;
// The server says something every 15 seconds.
const kSilenceMs = 45_000;
const kLongestLine = 1 << 20;
// Of one answer, in octets.
const kLargest = 64 << 20;

export class ApiError extends Error {
  /** @param {string} text @param {number} status 0: no answer */
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

/** @param {number} ms */
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {string} path @param {Record<string, string | number | null | undefined>} parameters */
function url(path, parameters) {
  const result = new URL(`api/v1/${path}`, document.baseURI);
  result.hash = '';
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== null && value !== undefined && value !== '') result.searchParams.set(name, String(value));
  }
  return result;
}

/** Tells the page: `lost`, `back`, and `logout` when the session is over. */
export const connection = new EventTarget();
let lost = false;
let loggedOut = false;
/** Nobody who would answer is there. */
export const isAway = () => lost || loggedOut;

function lose() {
  if (lost) return;
  lost = true;
  connection.dispatchEvent(new Event('lost'));
  void seek();
}

// Asks until somebody answers.
async function seek() {
  while (lost) {
    await pause(kRetryMs);
    try {
      const reply = await fetch(url('status', {}), { signal: AbortSignal.timeout(5000), cache: 'no-store' });
      await reply.arrayBuffer();
      if (reply.status >= 502) continue;
      lost = false;
    } catch {
      // Not yet.
    }
  }
  connection.dispatchEvent(new Event('back'));
}

/** @param {Response} reply @returns {Promise<ApiError>} */
async function refused(reply) {
  let text = `${reply.status} ${reply.statusText}`;
  try {
    const problem = await reply.json();
    if (typeof problem.detail === 'string') text = problem.detail;
  } catch {
    // Not a problem document.
  }
  if (reply.status === 401) {
    loggedOut = true;
    connection.dispatchEvent(new Event('logout'));
  }
  return new ApiError(text, reply.status);
}

/** @param {Response} reply @returns {Promise<string>} */
async function textOf(reply) {
  if (reply.body === null) return '';
  const reader = reply.body.getReader();
  const decoder = new TextDecoder();
  let text = '';
  let size = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    size += value.length;
    if (size > kLargest) {
      void reader.cancel();
      throw new ApiError('The answer is too large for this page', 200);
    }
    text += decoder.decode(value, { stream: true });
  }
}

/**
 * Throws ApiError, or what `signal` was aborted with.
 * @param {string} path below /api/v1/
 * @param {Record<string, string | number | null | undefined>} [parameters] those without a value are left out
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 */
export async function get(path, parameters = {}, signal) {
  const timeout = AbortSignal.timeout(kPatienceMs);
  try {
    const reply = await fetch(url(path, parameters), {
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      headers: { Accept: 'application/json' },
      cache: 'no-cache',
    });
    if (!reply.ok) throw await refused(reply);
    return JSON.parse(await textOf(reply));
  } catch (error) {
    if (error instanceof SyntaxError) throw new ApiError('The server does not answer in JSON', 200);
    if (error instanceof ApiError || signal?.aborted) throw error;
    lose();
    throw new ApiError('The server does not answer', 0);
  }
}

/**
 * All items of a list, a page after the other.
 * @template T
 * @param {string} path
 * @param {number} most
 * @param {AbortSignal} signal
 * @param {(items: T[], total: number) => void} take
 */
export async function getPages(path, most, signal, take) {
  let cursor = null;
  let count = 0;
  do {
    /** @type {{items: T[], total: number, next: string | null}} */
    const page = await get(path, { limit: 1000, cursor }, signal);
    count += page.items.length;
    take(page.items, page.total);
    cursor = page.items.length === 0 ? null : page.next;
  } while (cursor !== null && count < most);
}

/** @typedef {{path: string, take: (items: any[]) => void, begin?: () => void,
 *   refused?: (text: string) => void}} Stream */

/** @type {{stream: Stream, abort: AbortController} | null} */
let following = null;

/**
 * Follows a stream, and no other one: a browser has few connections to a server. It is closed while
 * the page is hidden, and begins again when the server comes back.
 * @param {Stream | null} stream null: none
 */
export function follow(stream) {
  following?.abort.abort();
  following = null;
  if (stream === null) return;
  following = { stream, abort: new AbortController() };
  if (!document.hidden) void keep(following);
}

document.addEventListener('visibilitychange', () => {
  if (following === null) return;
  if (document.hidden) following.abort.abort();
  else follow(following.stream);
});

/** @param {{stream: Stream, abort: AbortController}} mine */
async function keep(mine) {
  const { signal } = mine.abort;
  while (!signal.aborted && !loggedOut) {
    let wait = kRetryMs;
    try {
      await read(mine.stream, signal);
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof ApiError) {
        mine.stream.refused?.(error.message);
        wait = 5 * kRetryMs;
      } else {
        lose();
      }
    }
    if (signal.aborted) return;
    // Whether it is the stream alone that has ended.
    if (!isAway()) await get('status', {}, signal).catch(() => {});
    while (lost && !signal.aborted) await pause(100);
    await pause(wait);
  }
}

/** @param {Stream} stream @param {AbortSignal} signal */
async function read(stream, signal) {
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), kSilenceMs);
  try {
    const reply = await fetch(url(stream.path, {}), {
      signal: AbortSignal.any([signal, silent.signal]),
      headers: { Accept: 'application/x-ndjson' },
      cache: 'no-store',
    });
    if (!reply.ok || reply.body === null) throw await refused(reply);
    stream.begin?.();
    const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
    let rest = '';
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), kSilenceMs);
      const lines = (rest + value).split('\n');
      rest = /** @type {string} */ (lines.pop());
      if (rest.length > kLongestLine) throw new Error('a line without an end');
      const items = lines.filter((line) => line.trim() !== '').map((line) => JSON.parse(line));
      if (items.length > 0 && !signal.aborted) stream.take(items);
    }
  } finally {
    clearTimeout(timer);
    silent.abort();
  }
}
