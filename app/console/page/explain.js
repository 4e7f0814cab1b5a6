// @ts-check
import { follow, get } from './api.js';
import { explainAddress, registryAddress } from './address.js';
import { cluster, load, state } from './cluster.js';
import { choices, el, labelled, link, say, told } from './dom.js';
import { depths, explanationText } from './explanation.js';
import { showFindings } from './findings.js';
import { counted, visible } from './text.js';

const kTypes = ['A', 'AAAA', 'CNAME', 'SRV', 'PTR', 'TXT', 'MX', 'NS', 'SOA', 'HTTPS', 'SVCB'];
/** @type {Record<string, string>} */
const kRoles = {
  accepts: 'accepts the host', routes: 'routes it', rival: 'claims it too', address: 'gives the address',
  destination: 'is where it leads', policy: 'has a say', slice: 'lists endpoints', pod: 'answers',
  entry: 'adds the host', scope: 'narrows what is seen',
};

/** @param {string} text */
async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not on a page that came unencrypted from another machine.
    const area = el('textarea', { class: 'unseen', 'aria-hidden': 'true', tabindex: -1 });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand('copy');
    area.remove();
    if (!done) throw new Error('The browser does not let the page copy');
  }
}

/** @type {import('./main.js').View} */
export const explain = {
  title: 'Explain',
  open(panel, address) {
    const name = el('input', { type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', maxlength: 1100 });
    const type = el('select');
    const namespace = el('select');
    choices(type, kTypes);
    type.value = 'A';
    const form = el('form', { class: 'bar', 'aria-label': 'Question' }, labelled('Name', name), labelled('Type', type),
      labelled('As from namespace', namespace), el('button', { type: 'submit' }, 'Explain'));
    const alert = el('p', { role: 'alert' });
    // Upstreams may take their time.
    const waiting = el('p', { role: 'status' });
    const result = el('div', { hidden: true });
    const copyButton = el('button', { type: 'button' }, 'Copy as text');
    const copied = el('span', { role: 'status' });
    const summary = el('p', { class: 'answer' });
    const records = el('div', { class: 'records', tabindex: 0, role: 'region', 'aria-label': 'Records' });
    const chain = el('ol', { class: 'chain' });
    const problems = el('ul', { 'aria-label': 'Problems', role: 'list' });
    result.append(
      el('section', { 'aria-label': 'Answer' }, el('h2', {}, 'Answer'), summary, records),
      el('section', { 'aria-label': 'Chain' }, el('h2', {}, 'Chain'), chain),
      el('h2', {}, 'Problems'), problems,
      el('p', {}, copyButton, ' ', copied));
    panel.replaceChildren(form, waiting, alert, result);

    /** @type {AbortController | null} */
    let asking = null;
    /** @type {import('./api.js').Explanation | null} */
    let shown = null;

    function names() {
      choices(namespace, state.namespaces, 'none: a client of this server');
    }
    cluster.addEventListener('change', names);
    names();
    if (!state.known) void load();

    /** @param {import('./api.js').Explanation} explanation */
    function show(explanation) {
      shown = explanation;
      const { question, answer, tried, objects } = explanation;
      const good = answer.rcode === 'NOERROR';
      summary.replaceChildren(el('strong', { class: good ? 'good' : 'bad' }, told(answer.rcode)),
        ...(answer.stage ? [' by ', told(answer.stage)] : []),
        ...(answer.upstream ? [', asked of ', told(answer.upstream)] : []),
        typeof answer.age_s === 'number' ? `, kept for ${answer.age_s} s` : '',
        good && answer.records.length === 0 ? ', no data of this type'
          : answer.records.length > 0 ? `, ${counted(answer.records.length, 'record')}` : '',
        ...(answer.error ? [el('br'), told(answer.error)] : []));
      records.replaceChildren(...answer.records.map((record) => el('div', { class: 'record' },
        told(record.name), ` ${Number(record.ttl)} `, told(record.type), ' ', el('strong', {}, told(record.data)))));
      records.hidden = answer.records.length === 0;

      const deep = depths(objects);
      // A slice and a pod are found by the Service in front of them.
      let service = '';
      const steps = objects.map((object, i) => {
        if (object.kind === 'Service') service = object.name;
        const words = (object.role === 'slice' || object.role === 'pod') && service !== '' ? service : object.name;
        const label = `${object.kind} ${object.namespace ? `${object.namespace}/` : ''}${object.name}`;
        const key = `${object.namespace}/${object.name}`;
        const known = object.kind === 'Service' ? state.services.find((row) => row.key === key) : undefined;
        const href = known !== undefined ? known.href : object.kind === 'Service'
          ? explainAddress(`${object.name}.${object.namespace}.svc`, question.type, question.namespace)
          : registryAddress(words);
        return el('li', { class: `deep${Math.min(deep[i], 3)}` }, link(href, label), ' ',
          el('em', {}, Object.hasOwn(kRoles, object.role) ? kRoles[object.role] : told(object.role)), ' ', told(object.detail),
          object.source ? el('small', {}, ' ', told(object.source)) : null);
      });
      chain.replaceChildren(
        el('li', {}, link(explainAddress(question.name, question.type, question.namespace), question.name), ' ',
          el('em', {}, 'is asked'), ' ', told(question.type), question.namespace === null ? null : ' from ',
          question.namespace === null ? null : told(question.namespace)),
        ...tried.map((one) => el('li', {}, link(explainAddress(one.name, question.type, question.namespace), one.name),
          ' ', el('em', {}, 'is tried'), ' ', told(one.rcode))),
        ...steps);
      showFindings(problems, explanation.problems, 'no problems');
      say(copied, '');
      result.hidden = false;
    }

    async function ask() {
      asking?.abort();
      const mine = new AbortController();
      asking = mine;
      panel.setAttribute('aria-busy', 'true');
      say(waiting, 'Asking…');
      try {
        const explanation = await get('explain',
          { name: name.value.trim(), type: type.value, namespace: namespace.value }, mine.signal);
        if (mine.signal.aborted) return;
        say(alert, '');
        show(explanation);
      } catch (error) {
        if (mine.signal.aborted) return;
        result.hidden = true;
        alert.replaceChildren(told(error instanceof Error ? error.message : error));
      }
      panel.removeAttribute('aria-busy');
      say(waiting, '');
    }

    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const wanted = name.value.trim();
      if (wanted === '') {
        say(alert, 'Write the name to explain, such as shop.example.com');
        name.focus();
        return;
      }
      const next = explainAddress(wanted, type.value, namespace.value);
      if (next === location.hash) void ask();
      else location.hash = next;
    });
    copyButton.addEventListener('click', () => {
      if (shown === null) return;
      copy(explanationText(shown)).then(() => say(copied, 'Copied'), (error) => say(copied, error.message));
    });

    const go = (/** @type {import('./address.js').Address} */ where) => {
      if (where.path[0] === undefined || where.path[0] === '') {
        asking?.abort();
        result.hidden = true;
        say(waiting, '');
        say(alert, '');
        return;
      }
      name.value = where.path[0];
      const wanted = (where.path[1] || 'A').toUpperCase();
      if (!kTypes.includes(wanted)) type.append(el('option', { value: wanted }, visible(wanted)));
      type.value = wanted;
      const from = where.query.get('namespace') ?? '';
      if (from !== '' && !state.namespaces.includes(from)) namespace.append(el('option', { value: from, dir: 'auto' }, visible(from)));
      namespace.value = from;
      void ask();
    };
    follow(null);
    go(address);
    return {
      go,
      refresh: () => {
        if (shown !== null || alert.textContent !== '') void ask();
        if (!state.known) void load();
      },
      leave() {
        asking?.abort();
        panel.removeAttribute('aria-busy');
        cluster.removeEventListener('change', names);
      },
    };
  },
};
