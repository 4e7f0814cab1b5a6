// @ts-check
// Where the Corefile has `fault` or `evidence`: what goes wrong on purpose, and what clients do then.
import { follow, get } from './api.js';
import { blocksOf } from './corefile.js';
import { el, labelled, say, told } from './dom.js';
import { VirtualTable } from './table.js';
import { counted, duration } from './text.js';

const kEveryMs = 5000;
// More is read again only when it is asked for.
const kFewClients = 1000;

/** @typedef {{expect: unknown, pass: boolean, measured: unknown, of: unknown}} Expectation */
/** @typedef {{name: string, state: string, elapsed: number, seed: number,
 *   verdict: null | {pass: boolean, expectations: Expectation[]}}} Scenario */
/** @typedef {{client: string, queries: number, udp: number, tcp: number, outcomes: Record<string, number>,
 *   faults: Record<string, number>, retries: Record<string, number>, repeats: number,
 *   tcp_fallback: Record<string, number>}} Client */

/** @param {string} corefile whether it has what the view shows */
export function hasFaults(corefile) {
  const names = blocksOf(corefile).flatMap((block) => block.directives.map((directive) => directive[0]));
  return { shown: names.includes('fault') || names.includes('evidence'), wrong: names.includes('fault') };
}

/** @param {Record<string, number>} counts those that are not 0 */
function countsText(counts) {
  return Object.entries(counts).filter(([, count]) => typeof count === 'number' && count > 0)
    .map(([name, count]) => `${name.replace(/_/g, ' ')} ${count}`).join(', ');
}

/** @param {unknown} value */
const plain = (value) => (typeof value === 'string' ? value : JSON.stringify(value));

/** @param {string} label @param {(client: Client) => string} text */
const column = (label, text) => ({ label, cell: (/** @type {Client} */ client) => told(text(client)) });

/** @type {import('./main.js').View} */
export const faults = {
  title: 'Faults',
  open(panel) {
    const alert = el('p', { role: 'alert' });
    const seed = el('p', {});
    const scenarios = el('ul', { role: 'list', 'aria-label': 'Scenarios' });
    const filter = el('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', maxlength: 60 });
    const button = el('button', { type: 'submit' }, 'Refresh');
    const form = el('form', { class: 'bar', 'aria-label': 'Evidence of' }, labelled('Client', filter), button);
    const status = el('p', { role: 'status' });
    /** @type {VirtualTable<Client>} */
    const evidence = new VirtualTable('Evidence', [
      column('Client', (client) => client.client),
      column('Queries', (client) => `${client.queries}: UDP ${client.udp}, TCP ${client.tcp}`),
      column('Outcomes', (client) => countsText(client.outcomes)),
      column('Faults', (client) => countsText(client.faults) || 'none'),
      column('Asked again', (client) => countsText({ ...client.retries, repeats: client.repeats }) || 'never'),
      column('Then over TCP', (client) => countsText(client.tcp_fallback) || 'never'),
    ]);
    panel.replaceChildren(alert, seed, el('h2', {}, 'Scenarios'), scenarios,
      el('h2', {}, 'Evidence by client'), form, status, evidence.element);
    const over = new AbortController();
    let clients = 0;

    /** @param {string} path @param {Record<string, string>} [parameters] @returns {Promise<any>} null: there is none */
    async function getOrNone(path, parameters) {
      try {
        return await get(path, parameters, over.signal);
      } catch (error) {
        if (error instanceof Error && 'status' in error && error.status === 404) return null;
        throw error;
      }
    }
    /** @param {Scenario} scenario */
    function line(scenario) {
      const { verdict } = scenario;
      return el('li', {}, el('strong', {}, told(scenario.name)), ' ', told(scenario.state),
        typeof scenario.elapsed === 'number' ? `, for ${duration(scenario.elapsed)}` : '', ', seed ', told(scenario.seed),
        ...(verdict === null ? [] : [', ', el('strong', { class: verdict.pass ? 'good' : 'bad' }, verdict.pass ? 'passed' : 'failed'),
          el('ul', { role: 'list' }, ...verdict.expectations.map((each) => el('li', { class: each.pass ? 'good' : 'bad' },
            told(plain(each.expect)), ': ', told(plain(each.measured)), ' of ', told(plain(each.of)))))]));
    }
    let shown = '';
    /** @param {boolean} all the evidence, however much it is */
    async function read(all) {
      if (document.hidden) return;
      try {
        const [known, sown] = await Promise.all([getOrNone('scenarios'), getOrNone('seed')]);
        say(seed, sown === null ? '' : `Seed ${Number(sown.seed)}`);
        const list = known?.scenarios ?? [];
        const now = JSON.stringify(list);
        if (now !== shown) {
          shown = now;
          scenarios.replaceChildren(...(list.length === 0 ? [el('li', {}, 'none')] : list.map(line)));
        }
        if (all || clients < kFewClients) {
          const client = filter.value.trim();
          const seen = await getOrNone('evidence', client === '' ? {} : { client });
          clients = seen?.clients.length ?? 0;
          evidence.show(seen?.clients ?? []);
          say(status, seen === null ? 'The Corefile has no evidence directive'
            : `${counted(clients, 'client')}${seen.evicted.clients > 0 ? `, and ${counted(seen.evicted.clients, 'client')} forgotten` : ''}`);
        }
        say(alert, '');
      } catch (error) {
        if (!over.signal.aborted) alert.replaceChildren(told(error instanceof Error ? error.message : error));
      }
    }
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      void read(true);
    });
    follow(null);
    void read(true);
    const timer = setInterval(() => void read(false), kEveryMs);
    return {
      refresh: () => void read(false),
      leave() {
        over.abort();
        clearInterval(timer);
        evidence.leave();
      },
    };
  },
};
