// What directives know of a query besides: labels with a slash in them and their values, as
// "geoip/country/code" (CoreDNS's metadata).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "dns/net/endpoint.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

class Exchange;

// Of which query a value is asked.
struct MetadataQuery {
  const Query& query;
  const Endpoint& client;
  std::int64_t received_ns = 0;  // tells it from others of the same client
  unsigned worker = kNoWorker;   // whose thread this is
  bool whole = false;            // the request's octets are there, and not only its question

  static constexpr unsigned kNoWorker = 0xFFFFFFFF;  // not known
};

// A stage that knows some. Found by its type, and asked only where a label is read: queries that
// nobody reads one of pay nothing.
class MetadataSource {
 public:
  virtual ~MetadataSource() = default;
  // Empty: there is none. Any worker's thread; allocates, and throws when memory is short.
  [[nodiscard]] virtual std::string value(std::string_view label,
                                          const MetadataQuery& of) const = 0;
};

// What `source` says of the query of an exchange; nullptr: the first stage of its route that says
// something. Empty: there is nothing.
[[nodiscard]] std::string metadata_value(const Exchange& exchange, std::string_view label,
                                         const MetadataSource* source = nullptr);

}  // namespace clusterdns::dns
