// @ts-check
import { follow } from './api.js';
import { explainAddress } from './address.js';
import { el, labelled, say, told } from './dom.js';
import { counted, milliseconds } from './text.js';

// What is kept for the filter, and what of it is shown.
const kKept = 5000;
const kShown = 200;
const kEveryMs = 200;

/** @typedef {import('./api.js').Query & {words: string, line: HTMLElement | null}} Seen */

/** @param {number} time seconds since 1970 */
function clock(time) {
  const date = new Date(time * 1000);
  return Number.isNaN(date.getTime()) ? '' : date.toTimeString().slice(0, 8);
}

/** @param {Seen} query */
function line(query) {
  query.line ??= el('a', { class: 'query', href: explainAddress(query.name, query.type) },
    el('span', {}, clock(query.time)), ' ', el('span', {}, told(query.client)), ' ',
    el('span', { class: 'name' }, told(query.name)), ' ', el('span', {}, told(query.type)), ' ',
    el('span', { class: query.rcode === 'NOERROR' ? 'good' : 'bad' }, told(query.rcode)), ' ',
    el('span', {}, milliseconds(Number(query.ms))));
  return query.line;
}

/** @type {import('./main.js').View} */
export const queries = {
  title: 'Queries',
  open(panel) {
    const filter = el('input', { type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', maxlength: 255 });
    const button = el('button', { type: 'button' }, 'Pause');
    const status = el('p', { role: 'status' });
    // Not read aloud as it comes: that would be all that can be heard.
    const log = el('div', { role: 'log', 'aria-label': 'Queries', 'aria-live': 'off', tabindex: 0, class: 'log' });
    panel.replaceChildren(el('div', { class: 'bar' }, labelled('Filter', filter), button), status, log);

    /** @type {Seen[]} the newest last */
    let kept = [];
    let paused = false;
    let missed = 0;
    let sampledAt = 0;
    let waiting = false;
    let problem = '';

    function draw() {
      waiting = false;
      const words = filter.value.toLowerCase().split(/\s+/).filter((word) => word !== '');
      /** @type {Seen[]} */
      const found = [];
      for (let i = kept.length - 1; i >= 0 && found.length < kShown; --i) {
        if (words.every((word) => kept[i].words.includes(word))) found.push(kept[i]);
      }
      const lines = new Set(found.map(line));
      for (const query of kept) if (query.line !== null && !lines.has(query.line)) query.line = null;
      const focused = document.activeElement;
      for (const old of [...log.children]) {
        if (!lines.has(/** @type {HTMLElement} */ (old)) && old !== focused) old.remove();
      }
      /** @type {ChildNode | null} */
      let at = log.firstChild;
      for (const one of lines) {
        if (one === at) at = at.nextSibling;
        else log.insertBefore(one, at);
      }
      const sampled = Date.now() - sampledAt < 3000;
      say(status, problem !== '' ? problem
        : paused ? 'Paused'
          : sampled ? `Sampled: ${counted(missed, 'query', 'queries')} not shown so far`
            : found.length > 0 ? (missed > 0 ? `${counted(missed, 'query', 'queries')} not shown so far` : '')
              : words.length > 0 && kept.length > 0 ? 'No query has these words' : 'Waiting for queries');
    }
    function soon() {
      if (waiting) return;
      waiting = true;
      setTimeout(() => requestAnimationFrame(draw), kEveryMs);
    }
    function begin() {
      follow({
        path: 'queries',
        begin: () => {
          problem = '';
          soon();
        },
        refused: (text) => {
          problem = text;
          soon();
        },
        take(items) {
          for (const item of items) {
            if (item.dropped !== undefined) missed += Number(item.dropped);
            else if (item.sampled) {
              missed += Number(item.skipped);
              sampledAt = Date.now();
            } else {
              kept.push({ ...item, line: null,
                words: `${item.client}\n${item.name}\n${item.type}\n${item.rcode}`.toLowerCase() });
            }
          }
          if (kept.length > 2 * kKept) kept = kept.slice(-kKept);
          soon();
        },
      });
    }
    button.addEventListener('click', () => {
      paused = !paused;
      say(button, paused ? 'Resume' : 'Pause');
      // Nothing is watched meanwhile, and the server has no work.
      if (paused) follow(null);
      else begin();
      draw();
    });
    filter.addEventListener('input', draw);
    draw();
    begin();
    const timer = setInterval(soon, 1000);
    return {
      leave() {
        clearInterval(timer);
      },
    };
  },
};
