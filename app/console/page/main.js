// @ts-check
// The page: which view is shown, the keyboard, and whether the server is there.
import { connection, get, isAway } from './api.js';
import { addressOf } from './address.js';
import { configuration } from './configuration.js';
import { el, say } from './dom.js';
import { explain } from './explain.js';
import { faults, hasFaults } from './faults.js';
import { overview } from './overview.js';
import { queries } from './queries.js';
import { registry } from './registry.js';
import { note, recall } from './samples.js';
import { duration, visible } from './text.js';
import { upstreams } from './upstreams.js';

/**
 * A view fills the panel, until it leaves it.
 * @typedef {{go?: (address: import('./address.js').Address) => void, refresh?: () => void, tick?: () => void,
 *   search?: () => void, leave: () => void}} OpenView go: another address of the same view; refresh: the server
 *   is back, or the page is seen again; tick: the status is another
 * @typedef {{title: string, open: (panel: HTMLElement, address: import('./address.js').Address) => OpenView}} View
 */

const kStatusMs = 2000;

/** @type {Record<string, View>} */
const views = { overview, registry, explain, queries, upstreams, configuration, faults };

/** @param {string} id */
const byId = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const tablist = byId('tabs');
const panel = byId('panel');
const lostStatus = byId('connection');

/** @type {Map<string, HTMLElement>} */
const tabs = new Map();
for (const [name, view] of Object.entries(views)) {
  const tab = el('button', { type: 'button', role: 'tab', id: `tab-${name}`, 'aria-controls': 'panel',
    'aria-selected': 'false', tabindex: -1 }, view.title);
  tab.addEventListener('click', () => show(name));
  // Of few servers: once it is known.
  tab.hidden = view === faults;
  tabs.set(name, tab);
  tablist.append(tab);
}

/** @param {string} name */
function show(name) {
  if (name !== shown) location.hash = `#/${name}`;
}

let shown = '';
/** @type {OpenView | null} */
let open = null;

function route() {
  const address = addressOf(location.hash);
  const name = Object.hasOwn(views, address.view) ? address.view : 'overview';
  if (name === shown && open !== null) {
    open.go?.(address);
    return;
  }
  open?.leave();
  shown = name;
  for (const [each, tab] of tabs) {
    tab.setAttribute('aria-selected', String(each === name));
    tab.tabIndex = each === name ? 0 : -1;
  }
  panel.setAttribute('aria-labelledby', `tab-${name}`);
  panel.removeAttribute('aria-busy');
  panel.className = name;
  document.title = `${views[name].title} · clusterdns`;
  open = views[name].open(panel, address);
  scrollTo(0, 0);
}
addEventListener('hashchange', route);

tablist.addEventListener('keydown', (event) => {
  const names = [...tabs].filter(([, tab]) => !tab.hidden).map(([name]) => name);
  const at = names.indexOf(shown);
  const steps = new Map([['ArrowRight', at + 1], ['ArrowDown', at + 1], ['ArrowLeft', at - 1], ['ArrowUp', at - 1],
    ['Home', 0], ['End', names.length - 1]]);
  const step = steps.get(event.key);
  if (step === undefined || event.ctrlKey || event.altKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const name = names[(step + names.length) % names.length];
  tabs.get(name)?.focus();
  show(name);
});

document.addEventListener('keydown', (event) => {
  if (event.key !== '/' || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
  const target = event.target;
  if (target instanceof HTMLInputElement || target instanceof HTMLTextAreaElement) return;
  event.preventDefault();
  if (shown !== 'registry') {
    history.pushState(null, '', '#/registry');
    route();
  }
  open?.search?.();
});

connection.addEventListener('lost', () => say(lostStatus, 'Connection lost, trying again'));
connection.addEventListener('back', () => {
  say(lostStatus, '');
  void poll();
  void lookForFaults();
  open?.refresh?.();
});
connection.addEventListener('logout', () => {
  lostStatus.replaceChildren('You are logged out. ', el('a', { href: './' }, 'Log in'));
});

async function lookForFaults() {
  try {
    const { shown: there, wrong } = hasFaults((await get('config')).corefile);
    /** @type {HTMLElement} */ (tabs.get('faults')).hidden = !there;
    byId('banner').hidden = !wrong;
  } catch {
    // The connection is lost, and this is asked again.
  }
}

async function remember() {
  try {
    recall(await get('history'));
    open?.tick?.();
  } catch {
    // What the page sees from now on is all there is.
  }
}

let polling = false;
async function poll() {
  if (polling || document.hidden || isAway()) return;
  polling = true;
  try {
    /** @type {import('./api.js').Status} */
    const status = await get('status');
    note(status);
    say(byId('server'), `${visible(status.version)}, up ${duration(status.uptime_s)}, ${status.ready ? 'ready' : 'not ready'}`);
    open?.tick?.();
  } catch {
    // Told by what was said above.
  }
  polling = false;
}
setInterval(() => void poll(), kStatusMs);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  void poll();
  open?.refresh?.();
});

route();
void remember();
void poll();
void lookForFaults();
// A rate takes two.
setTimeout(() => void poll(), kStatusMs / 4);
