// @ts-check
import { follow } from './api.js';
import { explainAddress } from './address.js';
import { el, link, say, svg, told } from './dom.js';
import { figures, latest, past, series } from './samples.js';

const kWidth = 300;
const kHeight = 60;

/** @param {{code: string, name: string | null}} warning where it is explained */
function whereOf(warning) {
  if (warning.name) return explainAddress(warning.name);
  if (warning.code === 'loop' || warning.code.startsWith('upstream')) return '#/upstreams';
  if (warning.code === 'config') return '#/configuration';
  return '#/explain';
}

/** @type {import('./main.js').View} */
export const overview = {
  title: 'Overview',
  open(panel) {
    const cards = figures.map(({ label, text }, i) => {
      const value = el('div', { role: 'group', 'aria-labelledby': `figure${i}`, class: 'value' }, '…');
      const area = svg('path', { class: 'area' });
      const line = svg('path', { class: 'line' });
      const chart = svg('svg', { role: 'img', viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: 'none' }, area, line);
      const scale = el('div', { class: 'scale', 'aria-hidden': 'true' }, el('span', {}, past().ago), el('span', {}, ''), el('span', {}, 'now'));
      const draw = () => {
        const { count, latest: now, highest, lines } = series(i);
        say(value, now === null ? (count < 2 ? '…' : 'not measured') : text(now));
        /** @param {number} x @param {number} y */
        const point = (x, y) => `${(x * kWidth).toFixed(1)} ${(kHeight - 1 - y * (kHeight - 3)).toFixed(1)}`;
        line.setAttribute('d', lines.map((each) => `M${each.map(([x, y]) => point(x, y)).join('L')}`).join(''));
        area.setAttribute('d', lines.map((each) => `M${point(each[0][0], 0)}L${each.map(([x, y]) => point(x, y)).join('L')}`
          + `L${point(each[each.length - 1][0], 0)}Z`).join(''));
        const { last, ago } = past();
        say(/** @type {Element} */ (scale.children[0]), ago);
        chart.setAttribute('aria-label', lines.length === 0 ? `${label}, ${last}: no data`
          : `${label}, ${last}: now ${now === null ? 'unknown' : text(now)}, highest ${text(highest)}`);
        say(/** @type {Element} */ (scale.children[1]), lines.length === 0 ? '' : `up to ${text(highest)}`);
      };
      return { draw, element: el('div', { class: 'card' }, el('h2', { id: `figure${i}` }, label), value, chart, scale) };
    });
    const warnings = el('ul', { role: 'list', 'aria-label': 'Warnings', class: 'warnings' });
    const sources = el('ul', { role: 'list', 'aria-label': 'Sources' });
    panel.replaceChildren(el('div', { class: 'cards' }, ...cards.map((card) => card.element)),
      el('h2', {}, 'Warnings'), warnings, el('h2', {}, 'Sources'), sources);
    let shown = '';
    function draw() {
      for (const card of cards) card.draw();
      const status = latest();
      if (status === null) return;
      const now = JSON.stringify([status.warnings, status.sources.map(({ kind, in_sync, objects }) => [kind, in_sync, objects])]);
      if (now === shown) return;
      shown = now;
      warnings.replaceChildren(...(status.warnings.length === 0 ? [el('li', { class: 'good' }, 'none')]
        : status.warnings.map((warning) => el('li', {}, link(whereOf(warning), warning.text), ' ',
          el('small', {}, told(warning.code))))));
      sources.replaceChildren(...(status.sources.length === 0 ? [el('li', {}, 'none')] : status.sources.map((source) =>
        el('li', {}, told(source.kind), `: ${Number(source.objects).toLocaleString('en')} objects, `,
          el('span', { class: source.in_sync ? 'good' : 'bad' }, source.in_sync ? 'in sync' : 'not in sync')))));
    }
    follow(null);
    draw();
    return { tick: draw, leave() {} };
  },
};
