// @ts-check
// Problems, as Explain and Configuration list them.
import { el, told } from './dom.js';

/** @param {import('./api.js').Finding} finding */
function place(finding) {
  if (finding.object !== undefined) {
    const { kind, namespace, name } = finding.object;
    return `${kind} ${namespace ? `${namespace}/` : ''}${name}`;
  }
  if (finding.file === undefined) return '';
  return [finding.file, finding.line, finding.column].filter((part) => part !== undefined).join(':');
}

/**
 * @param {HTMLElement} list
 * @param {import('./api.js').Finding[]} findings
 * @param {string} none what is said without any
 */
export function showFindings(list, findings, none) {
  list.replaceChildren(...(findings.length === 0 ? [el('li', { class: 'good' }, none)] : findings.map((finding) => {
    const where = place(finding);
    return el('li', { class: `finding ${['error', 'warning'].includes(finding.severity) ? finding.severity : 'info'}` },
      el('strong', {}, told(finding.severity), finding.code ? ' ' : null, finding.code ? told(finding.code) : null),
      where === '' ? null : ' ', where === '' ? null : told(where),
      ': ', told(finding.text),
      finding.fix ? el('div', { class: 'fix' }, '→ ', told(finding.fix)) : null);
  })));
}
