// @ts-check
import { follow, get } from './api.js';
import { el, say, told } from './dom.js';
import { milliseconds } from './text.js';

const kEveryMs = 2000;
const kLabels = ['Address', 'State', 'Latency', 'Requests', 'Failures', 'Loop'];

/** @type {import('./main.js').View} */
export const upstreams = {
  title: 'Upstreams',
  open(panel) {
    const body = el('tbody', { role: 'rowgroup' });
    const table = el('table', { role: 'table', 'aria-label': 'Upstreams' },
      el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' },
        ...kLabels.map((label) => el('th', { role: 'columnheader', scope: 'col' }, label)))), body);
    const note = el('p', { role: 'status' });
    const alert = el('p', { role: 'alert' });
    panel.replaceChildren(alert, note, el('div', { class: 'scroller of-upstreams', tabindex: 0, role: 'region', 'aria-label': 'Rows of Upstreams' }, table));
    const over = new AbortController();
    let shown = '';
    async function read() {
      if (document.hidden) return;
      try {
        /** @type {{items: import('./api.js').Upstream[]}} */
        const { items } = await get('upstreams', {}, over.signal);
        say(alert, '');
        say(note, items.length === 0 ? 'Nothing is forwarded' : '');
        const now = JSON.stringify(items);
        if (now === shown) return;
        shown = now;
        body.replaceChildren(...items.map((item) => {
          const up = item.state === 'up';
          const cells = [told(item.address), el('span', { class: up ? 'good' : 'bad' }, told(item.state)),
            item.latency_ms === null ? 'not measured' : milliseconds(Number(item.latency_ms)),
            Number(item.requests).toLocaleString('en'), Number(item.failures).toLocaleString('en'),
            el('span', { class: item.loop ? 'bad' : 'good' }, item.loop ? 'yes' : 'no')];
          return el('tr', { role: 'row' },
            ...cells.map((cell, i) => el('td', { role: 'cell', 'data-label': kLabels[i] }, cell)));
        }));
      } catch (error) {
        if (!over.signal.aborted) alert.replaceChildren(told(error instanceof Error ? error.message : error));
      }
    }
    follow(null);
    void read();
    const timer = setInterval(() => void read(), kEveryMs);
    return {
      refresh: () => void read(),
      leave() {
        over.abort();
        clearInterval(timer);
      },
    };
  },
};
