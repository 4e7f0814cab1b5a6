// DNS messages to start from, written by hand octet by octet.
#pragma once

#include <string_view>
#include <vector>

#include "dns/wire/name.h"
#include "tests/fuzz/fuzz_target.h"

namespace clusterdns::fuzz {

inline void put_u16(Octets& to, unsigned value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
inline void put_name(Octets& to, std::string_view text) {
  const dns::Name name = dns::Name::from_text(text).value();
  to.insert(to.end(), name.data(), name.data() + name.size());
}
inline Octets query(std::string_view name, dns::RRType type, bool edns = false,
                    unsigned flags = dns::kFlagRD) {
  Octets out;
  put_u16(out, 0x1234);
  put_u16(out, flags);
  for (const unsigned count : {1U, 0U, 0U, edns ? 1U : 0U}) put_u16(out, count);
  put_name(out, name);
  put_u16(out, static_cast<unsigned>(type));
  put_u16(out, 1);
  if (edns) {
    // Size 1232, DO, a cookie of eight octets.
    out.insert(out.end(),
               {0, 0, 41, 4, 208, 0, 0, 128, 0, 0, 12, 0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8});
  }
  return out;
}

inline std::vector<Octets> queries() {
  using dns::RRType;
  return {
      query("python-www.default.svc.cluster.local", RRType::A),
      query("Web.default.svc.cluster.local", RRType::AAAA, true),
      query("_http._tcp.python-www.default.svc.cluster.local", RRType::SRV, true),
      query("10-244-0-10.python-www.default.svc.cluster.local", RRType::A),
      query("10.0.244.10.in-addr.arpa", RRType::PTR),
      query("1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa", RRType::PTR,
            true),
      query("10-1-2-3.default.pod.cluster.local", RRType::A),
      query("alias.default.svc.cluster.local", RRType::A, true),
      query("loop.default.svc.cluster.local", RRType::TXT, true),
      query("cluster.local", RRType::SOA),
      query("cluster.local", RRType::NS, true),
      query("dns-version.cluster.local", RRType::TXT),
      query("web", RRType::A, true),
      query("www.example.com", RRType::ANY),
      query(".", RRType::NS),
  };
}

}  // namespace clusterdns::fuzz
