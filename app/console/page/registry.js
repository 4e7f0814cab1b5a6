// @ts-check
import { follow } from './api.js';
import { registryAddress } from './address.js';
import { cluster, kMostRows, load, onChanges, state } from './cluster.js';
import { choices, el, labelled, link, say, told } from './dom.js';
import { VirtualTable } from './table.js';
import { counted } from './text.js';

/** @typedef {import('./cluster.js').ServiceRow} ServiceRow */
/** @typedef {import('./cluster.js').HostRow} HostRow */

const kKinds = ['ClusterIP', 'Headless', 'NodePort', 'LoadBalancer', 'ExternalName'];

/** @param {string} label @param {(row: any) => string} text */
const column = (label, text) => ({ label, cell: (/** @type {any} */ row) => told(text(row)) });
/** @param {{state: string, changed: string}} row */
const stateText = (row) => (row.changed === '' ? row.state : `changed: ${row.changed}`);
const stateColumn = {
  label: 'State',
  cell: (/** @type {any} */ row) => {
    const cell = told(stateText(row));
    cell.classList.add(row.changed !== '' ? 'changed' : row.state === 'ok' ? 'good' : 'bad');
    return cell;
  },
};

/** @type {import('./main.js').View} */
export const registry = {
  title: 'Registry',
  open(panel, address) {
    const search = el('input', { type: 'search', autocomplete: 'off', spellcheck: 'false', maxlength: 255 });
    const namespaces = el('select');
    const kinds = el('select');
    const matches = el('p', { role: 'status' });
    const alert = el('p', { role: 'alert' });
    /** @type {VirtualTable<ServiceRow>} */
    const services = new VirtualTable('Services', [
      { label: 'Name', cell: (row) => link(row.href, row.name), title: (row) => row.key },
      column('Namespace', (row) => row.namespace),
      column('Type', (row) => row.type),
      column('Addresses', (row) => row.addresses),
      column('Ports', (row) => row.ports),
      column('Endpoints', (row) => row.endpoints),
      stateColumn,
    ]);
    /** @type {VirtualTable<HostRow>} */
    const hosts = new VirtualTable('Hosts', [
      { label: 'Host', cell: (row) => link(row.href, row.host) },
      column('Source', (row) => row.source),
      column('Gateway', (row) => row.gateway),
      column('Addresses', (row) => row.addresses),
      column('Routed to', (row) => row.routed),
      stateColumn,
    ]);
    panel.replaceChildren(
      el('form', { class: 'bar', role: 'search', 'aria-label': 'Registry' }, labelled('Search', search),
        labelled('Namespace', namespaces), labelled('Kind', kinds)),
      matches, alert,
      el('h2', {}, 'Services'), services.element,
      el('h2', {}, 'Hosts'), hosts.element);
    search.form?.addEventListener('submit', (event) => event.preventDefault());

    function draw() {
      const words = search.value.trim().toLowerCase();
      const hostKinds = [...new Set(state.hosts.map((row) => row.source.split(' ')[0]))].sort();
      choices(namespaces, state.namespaces, 'all');
      choices(kinds, [...kKinds, ...hostKinds], 'all');
      /** @param {{words: string, namespace: string}} row */
      const found = (row) => (words === '' || row.words.includes(words))
        && (namespaces.value === '' || row.namespace === namespaces.value);
      const kind = kinds.value;
      const foundServices = state.services.filter((row) => (kind === '' || row.type === kind) && found(row));
      const foundHosts = state.hosts.filter((row) => (kind === '' || row.source.startsWith(`${kind} `)) && found(row));
      services.show(foundServices);
      hosts.show(foundHosts);
      const text = `${counted(foundServices.length, 'service')}, ${counted(foundHosts.length, 'host')}`;
      say(matches, !state.known && state.error === '' ? `${text}, reading more…`
        : state.services.length >= kMostRows
          ? `${text} of the first ${kMostRows.toLocaleString('en')}; clusterdns services finds all` : text);
      say(alert, state.error);
    }
    // What is typed stands in the address, so that it can be passed on, without a step in the history.
    // Not at once: browsers bound how often.
    let soon = 0;
    const typed = () => {
      clearTimeout(soon);
      soon = setTimeout(() => history.replaceState(null, '',
        search.value === '' ? '#/registry' : registryAddress(search.value)), 400);
      draw();
    };
    search.addEventListener('input', typed);
    namespaces.addEventListener('change', draw);
    kinds.addEventListener('change', draw);
    cluster.addEventListener('change', draw);

    const go = (/** @type {import('./address.js').Address} */ where) => {
      search.value = where.query.get('q') ?? search.value;
      draw();
    };
    go(address);
    // Read again when the stream begins: nothing that happens before is missed.
    follow({ path: 'changes', take: onChanges, begin: () => void load(),
      refused: (text) => {
        say(alert, `Changes are not followed: ${text}`);
        if (!state.known) void load();
      } });
    return {
      go,
      search: () => {
        search.focus();
        search.select();
      },
      leave() {
        clearTimeout(soon);
        cluster.removeEventListener('change', draw);
        services.leave();
        hosts.leave();
      },
    };
  },
};
