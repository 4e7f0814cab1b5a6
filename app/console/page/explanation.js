// @ts-check
// An explanation as `clusterdns explain` prints it: app/explain/explanation_text.cc.

/** @typedef {import('./api.js').Explanation} Explanation */
/** @typedef {import('./api.js').ChainObject} ChainObject */

// Those that carry a route are roots, what they lead to is below.
/** @type {Record<string, number>} */
const kDepth = { routes: 1, rival: 1, address: 1, destination: 2, entry: 2, policy: 3, slice: 3, pod: 3 };

/**
 * How deep each hangs, without gaps: a Service that nothing leads to is a root.
 * @param {ChainObject[]} objects
 */
export function depths(objects) {
  /** @type {number[]} */
  const above = [];
  return objects.map((object) => {
    // An Ingress is a gateway of its own.
    const isRoot = object.kind === 'Ingress' && object.role !== 'address';
    const depth = !isRoot && Object.hasOwn(kDepth, object.role) ? kDepth[object.role] : 0;
    while (above.length > 0 && above[above.length - 1] >= depth) above.pop();
    above.push(depth);
    return above.length - 1;
  });
}

/** @param {unknown} text */
function printable(text) {
  return String(text ?? '').replace(/[\u0000-\u001f\u007f]/g, '.');
}

/** @param {{kind: string, namespace: string | null, name: string}} object */
function nameText(object) {
  return `${object.kind} ${object.namespace ? `${object.namespace}/` : ''}${object.name}`;
}

/** @param {number[]} deep @param {number} i */
function branch(deep, i) {
  let text = '  ';
  for (let level = 0; level < deep[i]; ++level) {
    // Does a later object of that level still come, before one above it?
    const rest = deep.slice(i + 1);
    const end = rest.findIndex((depth) => depth < level + 1);
    const goesOn = (end < 0 ? rest : rest.slice(0, end)).includes(level + 1);
    if (level + 1 === deep[i]) text += goesOn ? '├─ ' : '└─ ';
    else text += goesOn ? '│  ' : '   ';
  }
  return text;
}

/**
 * `, 3 d old`; nothing when it is not known.
 * @param {string | null | undefined} created
 * @param {number} now in milliseconds
 */
function ageText(created, now) {
  const age = Math.floor((now - Date.parse(created ?? '')) / 1000);
  if (!(age >= 0)) return '';
  /** @type {[number, string]} */
  const [unit, name] = age >= 2 * 86400 ? [86400, 'd']
    : age >= 2 * 3600 ? [3600, 'h']
    : age >= 2 * 60 ? [60, 'min'] : [1, 's'];
  return `, ${Math.floor(age / unit)} ${name} old`;
}

/** @param {Explanation} explanation */
export function explanationText(explanation, now = Date.now()) {
  const { question, answer, tried, objects, problems } = explanation;
  const lines = [`${printable(question.name)} ${question.type}`];
  if (question.namespace !== null) lines.push(`  as from a pod in namespace ${question.namespace}`);
  for (const one of tried) lines.push(`  tried ${printable(one.name)}: ${one.rcode}`);
  const deep = depths(objects);
  objects.forEach((object, i) => lines.push(
    `${branch(deep, i)}${nameText(object)} (${object.role}) ${printable(object.detail)}${ageText(object.created, now)}`
      + `  ${printable(object.source)}`));
  let said = `answer: ${answer.rcode}`;
  if (answer.stage) said += ` by ${answer.stage}`;
  if (answer.upstream) said += `, asked of ${answer.upstream}`;
  if (typeof answer.age_s === 'number') said += `, kept for ${answer.age_s} s`;
  if (answer.rcode === 'NOERROR' && answer.records.length === 0) said += ', no data of this type';
  lines.push(said);
  for (const record of answer.records) {
    lines.push(`  ${printable(record.name)} ${record.ttl} ${record.type} ${printable(record.data)}`);
  }
  if (answer.error) lines.push(`  ${printable(answer.error)}`);
  for (const finding of problems) {
    const object = finding.object ?? { kind: '', namespace: '', name: '' };
    lines.push(`${finding.severity} ${finding.code}: ${nameText(object)}: ${printable(finding.text)}`);
    if (finding.fix) lines.push(`  -> ${printable(finding.fix)}`);
  }
  if (problems.length === 0) lines.push('no problems');
  return `${lines.join('\n')}\n`;
}
