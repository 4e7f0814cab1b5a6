// @ts-check
// What the cluster has, as the page knows it. Read once, then followed; told anew when it was lost.
import { get, getPages } from './api.js';
import { explainAddress } from './address.js';
import { shorter, some } from './text.js';

/**
 * A row never changes: what is another is another row.
 * @typedef {{key: string, namespace: string, name: string, type: string, addresses: string, ports: string,
 *   endpoints: string, state: string, href: string, words: string, changed: string}} ServiceRow
 * @typedef {{key: string, host: string, source: string, namespace: string, gateway: string,
 *   addresses: string, routed: string, state: string, href: string, words: string, changed: string}} HostRow
 */

// More is not kept; the search of `clusterdns services` has all.
export const kMostRows = 50_000;
const kChangedMs = 10_000;
// What changes is gathered for so long, and more at once is read whole.
const kGatherMs = 200;
const kOneByOne = 16;
// Reading everything takes at most this part of the time.
const kWholeMs = 3000;

/** Tells `change` when there is something else to show. */
export const cluster = new EventTarget();
export const state = {
  /** @type {ServiceRow[]} by namespace and name */
  services: [],
  /** @type {HostRow[]} */
  hosts: [],
  /** @type {string[]} */
  namespaces: [],
  known: false,
  error: '',
};

/** @param {import('./api.js').Service} item @returns {ServiceRow} */
function serviceRow(item) {
  const addresses = item.externalName ? [item.externalName, ...item.addresses] : item.addresses;
  const name = item.names[0] ?? `${item.name}.${item.namespace}.svc`;
  const v6 = item.addresses.length > 0 && item.addresses.every((address) => address.includes(':'));
  return {
    key: `${item.namespace}/${item.name}`,
    namespace: item.namespace,
    name: item.name,
    type: item.type === 'ClusterIP' && item.addresses[0] === 'None' ? 'Headless' : item.type,
    addresses: some(addresses),
    ports: some(item.ports),
    endpoints: item.endpoints.length === 0 ? (item.externalName ? '' : '0') : `${item.endpoints.length}: ${some(item.endpoints)}`,
    state: item.state,
    href: explainAddress(name, v6 ? 'AAAA' : 'A'),
    words: [item.name, item.namespace, `${item.name}.${item.namespace}`, ...addresses, ...item.endpoints]
      .join('\n').toLowerCase(),
    changed: '',
  };
}

/** @param {import('./api.js').Host} item @returns {HostRow} */
function hostRow(item) {
  const v6 = item.addresses.length > 0 && item.addresses.every((address) => address.includes(':'));
  // A wildcard is explained by a name that it stands for.
  const name = item.host.startsWith('*') ? `any${item.host.slice(1)}` : item.host;
  return {
    key: `${item.host} ${item.gateway} ${item.kind} ${item.namespace}/${item.name}`,
    host: item.host,
    source: `${item.kind} ${item.namespace}/${item.name}`,
    namespace: item.namespace,
    gateway: item.gateway,
    addresses: some(item.addresses),
    routed: some(item.routed_to),
    state: item.state,
    href: explainAddress(name, v6 ? 'AAAA' : 'A'),
    words: [item.host, item.namespace, item.name, item.gateway, ...item.addresses, ...item.routed_to]
      .join('\n').toLowerCase(),
    changed: '',
  };
}

/** @type {[keyof ServiceRow & keyof HostRow | 'type' | 'ports' | 'endpoints' | 'routed', string][]} */
const kCompared = [['type', 'type'], ['addresses', 'addresses'], ['ports', 'ports'], ['endpoints', 'endpoints'],
  ['routed', 'routed to'], ['state', 'state']];

/**
 * What is another in `now`, in words; empty: nothing.
 * @param {Record<string, string>} before @param {Record<string, string>} now
 */
function difference(before, now) {
  const said = kCompared.filter(([field]) => before[field] !== now[field])
    .map(([field, label]) => `${label} ${before[field] || 'none'} → ${now[field] || 'none'}`);
  return shorter(said.join('; '), 500);
}

/** @param {{namespace: string, name: string}} a @param {{namespace: string, name: string}} b */
function order(a, b) {
  if (a.namespace !== b.namespace) return a.namespace < b.namespace ? -1 : 1;
  return a.name === b.name ? 0 : a.name < b.name ? -1 : 1;
}

/** @type {Map<string, number>} rows that say what has changed, and until when */
const marked = new Map();
let sweeping = false;

/**
 * `fresh` as it is shown in the place of `before`: with what has changed, as it was `told` or can be seen.
 * @template {ServiceRow | HostRow} Row
 * @param {Row | undefined} before @param {Row} fresh @param {string[]} [told] @returns {Row}
 */
function follow(before, fresh, told = []) {
  const what = before === undefined ? 'new' : shorter(told.join('; '), 500) || difference(before, fresh);
  if (what !== '') {
    marked.set(fresh.key, Date.now() + kChangedMs);
    sweep();
    return { ...fresh, changed: what };
  }
  // Nothing has: it stays the same row, unless its search words are others.
  return before !== undefined && before.words === fresh.words
    ? before : { ...fresh, changed: before?.changed ?? '' };
}

function sweep() {
  if (sweeping || marked.size === 0) return;
  sweeping = true;
  setTimeout(() => {
    sweeping = false;
    const now = Date.now();
    /** @type {Set<string>} */
    const over = new Set();
    for (const [key, until] of marked) if (until <= now) over.add(key);
    for (const key of over) marked.delete(key);
    if (over.size > 0) {
      /** @template {ServiceRow | HostRow} Row @param {Row} row @returns {Row} */
      const plain = (row) => (row.changed !== '' && over.has(row.key) ? { ...row, changed: '' } : row);
      state.services = state.services.map(plain);
      state.hosts = state.hosts.map(plain);
      tell();
    }
    sweep();
  }, Math.max(50, Math.min(...marked.values()) - Date.now()));
}

function tell() {
  cluster.dispatchEvent(new Event('change'));
}

function nameSpaces() {
  const all = new Set(state.services.map((row) => row.namespace));
  for (const row of state.hosts) all.add(row.namespace);
  all.delete('');
  state.namespaces = [...all].sort();
}

/** @type {Promise<void> | null} */
let loading = null;
let took = 0;

/** All that there is, anew. */
export function load() {
  loading ??= loadAll().finally(() => {
    loading = null;
  });
  return loading;
}

async function loadAll() {
  const began = Date.now();
  const { signal } = new AbortController();
  const first = !state.known;
  const before = new Map(state.services.map((row) => [row.key, row]));
  /** @type {ServiceRow[]} */
  const services = [];
  try {
    await getPages('services', kMostRows, signal, (/** @type {import('./api.js').Service[]} */ items) => {
      for (const item of items) {
        const row = serviceRow(item);
        services.push(first ? row : follow(before.get(row.key), row));
      }
      if (!first) return;
      // The first page is shown while the others come.
      state.services = services.slice();
      nameSpaces();
      tell();
    });
    state.services = services;
    await loadHosts(first);
    state.known = true;
    state.error = '';
  } catch (error) {
    state.error = error instanceof Error ? error.message : String(error);
  }
  took = Date.now() - began;
  nameSpaces();
  tell();
}

/** @param {boolean} first */
async function loadHosts(first) {
  const before = new Map(state.hosts.map((row) => [row.key, row]));
  /** @type {HostRow[]} */
  const hosts = [];
  await getPages('hosts', kMostRows, new AbortController().signal, (/** @type {import('./api.js').Host[]} */ items) => {
    for (const item of items) {
      const row = hostRow(item);
      hosts.push(first ? row : follow(before.get(row.key), row));
    }
  });
  state.hosts = hosts;
}

/** @type {Map<string, {namespace: string, name: string, what: string[]}>} */
const dirty = new Map();
let hostsDirty = false;
let allDirty = false;
let gathering = false;

/** @param {import('./api.js').Change[]} changes */
export function onChanges(changes) {
  for (const change of changes) {
    if (change.dropped !== undefined) allDirty = true;
    else if (change.kind === 'Service' || change.kind === 'Endpoints') {
      const { namespace, name } = change;
      const key = `${namespace}/${name}`;
      dirty.set(key, { namespace, name, what: [...(dirty.get(key)?.what ?? []), ...change.what].slice(0, 50) });
      // A gateway's address may be this one's.
      hostsDirty = true;
    } else if (change.kind !== 'Pod' && change.kind !== 'Namespace') hostsDirty = true;
  }
  if (dirty.size > kOneByOne) allDirty = true;
  if (gathering || !(allDirty || hostsDirty || dirty.size > 0)) return;
  gathering = true;
  setTimeout(() => void catchUp(), allDirty ? Math.max(kGatherMs, Math.min(kWholeMs, 4 * took)) : kGatherMs);
}

async function catchUp() {
  const keys = [...dirty.values()];
  const all = allDirty;
  const hosts = hostsDirty;
  dirty.clear();
  allDirty = hostsDirty = false;
  try {
    await loading;
    if (all) await load();
    else {
      for (const key of keys) await loadService(key);
      if (hosts) await loadHosts(false);
      nameSpaces();
      tell();
    }
  } catch {
    // The connection is lost; everything is read when it is back.
  }
  gathering = false;
  onChanges([]);
}

/** @param {{namespace: string, name: string, what: string[]}} key what: has changed */
async function loadService(key) {
  const signal = new AbortController().signal;
  /** @type {{items: import('./api.js').Service[]}} */
  const page = await get('services', { namespace: key.namespace, q: key.name, limit: 1000 }, signal);
  const item = page.items.find((each) => each.name === key.name && each.namespace === key.namespace);
  const rows = state.services.slice();
  let at = rows.findIndex((row) => order(row, key) >= 0);
  if (at < 0) at = rows.length;
  const before = rows[at] !== undefined && order(rows[at], key) === 0 ? rows[at] : undefined;
  if (item === undefined) {
    if (before !== undefined) rows.splice(at, 1);
  } else {
    rows.splice(at, before === undefined ? 0 : 1, follow(before, serviceRow(item), key.what));
  }
  state.services = rows;
}
