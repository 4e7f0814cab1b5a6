// Node's resolver asks the server at argv[2]; exit code 1 on a wrong answer.
import assert from "node:assert/strict";
import { promises as dns } from "node:dns";

const resolver = new dns.Resolver({ timeout: 5000, tries: 4 });
resolver.setServers([process.argv[2]]);
const Z = "default.svc.cluster.local";
const code = async (promise) => {
  try {
    return await promise;
  } catch (error) {
    return error.code;
  }
};

assert.deepEqual(await resolver.resolve4(`web.${Z}`), ["10.96.5.1"]);
assert.deepEqual(await resolver.resolve4(`web.${Z}`, { ttl: true }),
  [{ address: "10.96.5.1", ttl: 5 }]);
assert.deepEqual(await resolver.resolve6(`dual.${Z}`), ["fd00:10:96::502"]);
assert.deepEqual((await resolver.resolve4(`peers.${Z}`)).sort(),
  ["10.244.5.1", "10.244.5.2", "10.244.5.3"]);
assert.deepEqual(await resolver.resolve4(`alias.${Z}`), ["10.96.5.1"]);
assert.deepEqual(await resolver.resolveCname(`alias.${Z}`), [`web.${Z}`]);
assert.equal((await resolver.resolve4(`many.${Z}`)).length, 60);
const srv = await resolver.resolveSrv(`_db._tcp.peers.${Z}`);
assert.deepEqual(srv.map((one) => one.name).sort(),
  [0, 1, 2].map((i) => `peer-${i}.peers.${Z}`));
assert.deepEqual(new Set(srv.map((one) => `${one.priority} ${one.weight} ${one.port}`)),
  new Set(["0 33 5432"]));
assert.deepEqual(await resolver.reverse("10.96.5.1"), [`web.${Z}`]);
assert.deepEqual(await resolver.reverse("fd00:10:96::502"), [`dual.${Z}`]);
assert.deepEqual(await resolver.resolveTxt("dns-version.cluster.local"), [["1.1.0"]]);
const soa = await resolver.resolveSoa("cluster.local");
assert.equal(soa.hostmaster, "hostmaster.cluster.local");
assert.equal(soa.minttl, 5);
assert.deepEqual(await resolver.resolveNs("cluster.local"), ["ns.dns.cluster.local"]);
assert.equal(await code(resolver.resolve4(`nothing.${Z}`)), "ENOTFOUND");
assert.equal(await code(resolver.resolve6(`web.${Z}`)), "ENODATA");
assert.equal(await code(resolver.resolve4("svc.cluster.local")), "ENODATA");
assert.equal(await code(resolver.resolve4("example.com")), "EREFUSED");
// As many as the socket of c-ares has room for when all answers come before the first is read.
const many = await Promise.all(Array.from({ length: 200 }, () => resolver.resolve4(`web.${Z}`)));
assert.ok(many.every((one) => one.length === 1 && one[0] === "10.96.5.1"));
console.log("Node: every answer was right");
