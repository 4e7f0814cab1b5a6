// @ts-check
// What the blocks of a Corefile do, in plain words.

/** @typedef {{keys: string[], directives: string[][]}} Block */

/**
 * The words of a text, with braces that end and begin blocks, line by line.
 * @param {string} text
 * @returns {string[][]}
 */
function linesOf(text) {
  /** @type {string[][]} */
  const lines = [[]];
  const token = /\n|#[^\n]*|"((?:\\[^]|[^"\\])*)"?|[^\s]+/g;
  for (const match of text.matchAll(token)) {
    if (match[0] === '\n') lines.push([]);
    else if (match[0].startsWith('"')) {
      lines[lines.length - 1].push((match[1] ?? '').replace(/\\"/g, '"'));
    } else if (!match[0].startsWith('#')) lines[lines.length - 1].push(match[0]);
  }
  return lines.filter((line) => line.length > 0);
}

/**
 * @param {string} text
 * @returns {Block[]} the server blocks; snippets and what is imported are not looked into
 */
export function blocksOf(text) {
  /** @type {Block[]} */
  const blocks = [];
  /** @type {string[]} */
  let keys = [];
  /** @type {Block | null} */
  let block = null;
  let depth = 0;
  for (const line of linesOf(text)) {
    const opens = line[line.length - 1] === '{';
    const words = opens ? line.slice(0, -1) : line;
    if (words[0] === '}') {
      depth = Math.max(0, depth - 1);
      if (depth === 0 && block !== null) {
        if (!/^\(.*\)$/.test(block.keys[0] ?? '')) blocks.push(block);
        block = null;
      }
      continue;
    }
    if (depth === 0) {
      keys.push(...words.flatMap((word) => word.split(',')).filter((word) => word !== ''));
      if (opens) {
        block = { keys, directives: [] };
        keys = [];
      }
    } else if (depth === 1 && words.length > 0) block?.directives.push(words);
    if (opens) ++depth;
  }
  if (block !== null) blocks.push(block);
  // A Corefile of one block may do without braces.
  if (blocks.length === 0 && keys.length > 0) {
    const [first, ...rest] = linesOf(text);
    blocks.push({ keys: first, directives: rest });
  }
  return blocks;
}

/** @param {string[]} words @param {string} none */
const list = (words, none) => (words.length === 0 ? none : words.join(', '));

/** @type {Record<string, (words: string[]) => string>} */
const kWords = {
  acl: () => 'Lets some clients ask and refuses others.',
  any: () => 'Answers queries of type ANY briefly.',
  auto: () => 'Serves zone files of a folder, and those that come later.',
  autopath: () => 'Follows the search list of pods in one answer.',
  bind: (words) => `Listens on ${list(words, 'every address')} only.`,
  bufsize: ([size]) => `Keeps UDP answers below ${size ?? 1232} octets.`,
  cache: ([ttl]) => `Keeps forwarded answers in memory${/^\d+$/.test(ttl ?? '') ? `, for ${ttl} seconds at most` : ''}.`,
  cancel: () => 'Gives up a query that takes too long.',
  chaos: () => 'Tells version and authors to those who ask in class CH.',
  console: ([address]) => `Serves this console at ${address ?? 'localhost:5380'}.`,
  debug: () => 'Lets a crash be seen in full.',
  dns64: () => 'Makes IPv6 addresses out of IPv4 ones.',
  dnssec: () => 'Signs answers as they are given.',
  errors: () => 'Logs errors.',
  erratic: () => 'Answers wrongly now and then, for tests.',
  evidence: () => 'Records what each client asks, and how it asks again.',
  fault: () => 'Answers wrongly, late or not at all, on purpose.',
  file: ([file]) => `Serves the zone file ${file ?? ''}.`,
  forward: ([from, ...to]) => `Asks ${list(to.filter((word) => word !== '{'), 'the servers of its block')} about ${from === '.' || from === undefined ? 'what is not answered here' : `names below ${from}`}.`,
  gateways: () => 'Answers the hosts of gateways and ingresses with their addresses.',
  header: () => 'Changes header bits of answers.',
  health: ([address]) => `Says at http://${address ?? ':8080'}/health that the program lives.`,
  hosts: ([file]) => `Answers from a hosts file${file ? `, ${file}` : ''}.`,
  import: (words) => `Takes in ${list(words, 'another file')}.`,
  k8s_external: () => 'Answers external addresses of Services.',
  kubernetes: (words) => `Answers names of the cluster below ${list(words, 'its zones')}.`,
  loadbalance: ([policy]) => `Changes the order of addresses in answers${policy ? ` (${policy})` : ''}.`,
  local: () => 'Answers local names that should not leave this machine.',
  log: () => 'Logs queries.',
  loop: () => 'Looks once for queries that come back, and stops the server if there are any.',
  metadata: () => 'Gathers facts on queries for other directives.',
  minimal: () => 'Leaves out of answers what need not be there.',
  nsid: () => 'Says which server it is to those who ask (NSID).',
  pprof: () => 'Has CoreDNS serve profiles of itself.',
  prometheus: ([address]) => `Serves metrics at http://${address ?? 'localhost:9153'}/metrics.`,
  proxy: () => 'Forwards HTTP for the hosts of gateways.',
  quic: () => 'Sets limits of DNS over QUIC.',
  ready: ([address]) => `Says at http://${address ?? ':8181'}/ready whether it can answer.`,
  reload: () => 'Reads the Corefile again when it changes.',
  rewrite: (words) => `Rewrites queries and their answers: ${list(words, '')}.`,
  root: ([folder]) => `Looks for files below ${folder ?? '.'}.`,
  search: (words) => `Completes short names along the search list ${list(words, 'of the cluster')}.`,
  secondary: () => 'Serves zones that it gets from another server.',
  sign: () => 'Signs zone files.',
  synthetic: () => 'Makes answers out of the names that are asked.',
  template: () => 'Answers by a pattern.',
  tls: () => 'Serves DNS over TLS with a certificate.',
  transfer: () => 'Lets others transfer zones.',
  tsig: () => 'Checks and signs with shared keys (TSIG).',
  view: () => 'Is for the queries that an expression selects.',
  whoami: () => 'Tells clients their address.',
  workers: ([count]) => `Uses ${count ?? 'several'} threads.`,
};

/** @param {string[]} directive its name and arguments */
export function inWords(directive) {
  const [name, ...words] = directive;
  return Object.hasOwn(kWords, name) ? kWords[name](words) : list(directive, '');
}

/** @param {string[]} keys of a block */
export function keysInWords(keys) {
  const names = keys.map((key) => {
    const [, scheme, zone, port] = /^(?:(\w+):\/\/)?(.*?)(?::(\d+))?$/.exec(key) ?? [];
    const where = zone === '.' || zone === '' ? 'all names' : `names below ${zone}`;
    return `${where}${port === undefined ? '' : ` on port ${port}`}${scheme === undefined || scheme === 'dns' ? '' : ` (${scheme})`}`;
  });
  return `For ${list(names, 'all names')}`;
}
