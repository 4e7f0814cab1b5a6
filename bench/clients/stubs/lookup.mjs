// The same with the c-ares inside Node: resolve4() and resolve6() side by side.
import { promises as dns } from "node:dns";

for (const name of process.argv.slice(2)) {
  const begin = process.hrtime.bigint();
  const both = await Promise.allSettled([dns.resolve4(name), dns.resolve6(name)]);
  const ms = Number(process.hrtime.bigint() - begin) / 1e6;
  const found = both.flatMap((each) => (each.status === "fulfilled" ? each.value : []));
  const state = found.length > 0 ? "ok" : String(both[0].reason?.code);
  console.log(`${name}\t${state}\t${found.join(" ")}\t${ms.toFixed(3)}`);
}
