// How the RRsets that are made from a ServiceBlock are written.
#pragma once

#include <cstdint>
#include <vector>

#include "dns/query/encoder.h"
#include "zones/service_block.h"

namespace clusterdns::zones {

// What SRV and its glue are about, packed into an RRsetRef: `data` is the block, `more` the wire
// name of the service (lower-case, with its root label).
//   first     index of an endpoint, or ServiceBlock::kNotFound for the service itself
//   count     octets of the name behind `more`, and the index of a named port above them
struct SrvRef {
  // All of `ref` but its writer.
  static void set(dns::RRsetRef& ref, const ServiceBlock& block, const std::uint8_t* service,
                  std::size_t service_size, std::uint32_t endpoint, std::uint16_t named_port,
                  std::uint32_t ttl, std::uint8_t owner) noexcept {
    ref.data = &block;
    ref.more = service;
    ref.first = endpoint;
    ref.count = (std::uint32_t{named_port} << 16) | static_cast<std::uint32_t>(service_size);
    ref.rotation = 0;
    ref.ttl = ttl;
    ref.owner = owner;
    ref.type = dns::RRType::SRV;
  }
};

// SRV (RFC 2782): priority 0, weight floor(100 / answers) but at least 1, target uncompressed.
dns::Written write_srv(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;
// Addresses of the targets that write_srv just wrote, as many RRsets as fit. Never says Part.
dns::Written write_srv_glue(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;
// Number of SRV answers.
[[nodiscard]] inline std::uint32_t count_srv(const ServiceBlock& block, std::uint32_t endpoint,
                                             std::uint16_t named_port) noexcept {
  if (endpoint == ServiceBlock::kNotFound) {
    return named_port == ServiceBlock::kNoPort ? block.srv_count()
                                               : block.named_ports()[named_port].srv_count;
  }
  return block.port_set(block.endpoint(endpoint).port_set).count;
}

// Addresses of the endpoints that have a named port: `data` the block, `first` the named port.
dns::Written write_port_rows(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;

// One PTR target: a service, or one of its endpoints.
struct PtrTarget {
  const ServiceBlock* block = nullptr;
  std::uint32_t endpoint = ServiceBlock::kNotFound;
};
// PTR: `data` points to `count` targets, `more` to the dns::Name that services and their namespaces
// stand before: `svc.<zone>`.
dns::Written write_ptr(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;

// SOA of a cluster zone (RFC 1035 3.3.13): `first` is the serial, `count` the minimum.
dns::Written write_soa(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;
// NS of a cluster zone: one record, `ns.dns.<zone>`.
dns::Written write_ns(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;
// Addresses of the name write_ns just wrote: rows as for write_rows.
dns::Written write_ns_glue(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;

// Names of a zone whose apex is not that of cluster zones: labels in wire form, without a root
// label.
struct ApexNames {
  std::vector<std::uint8_t> ns;          // `ns1.<apex>`
  std::vector<std::uint8_t> hostmaster;  // `hostmaster.<apex>`
};
// The same three with `more` pointing to ApexNames.
dns::Written write_named_soa(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;
dns::Written write_named_ns(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;
dns::Written write_named_ns_glue(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept;

}  // namespace clusterdns::zones
