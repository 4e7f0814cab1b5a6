"""The same with the stub resolver of dnspython: A, then AAAA."""
import sys
import time

import dns.exception
import dns.resolver

resolver = dns.resolver.Resolver()
for name in sys.argv[1:]:
    begin, found, state = time.monotonic(), [], "ok"
    for rrtype in ("A", "AAAA"):
        try:
            found += [each.address for each in resolver.resolve(name, rrtype)]
        except dns.exception.DNSException as e:
            if rrtype == "A":
                state = type(e).__name__
    ms = (time.monotonic() - begin) * 1e3
    print(f"{name}\t{'ok' if found else state}\t{' '.join(found)}\t{ms:.3f}", flush=True)
