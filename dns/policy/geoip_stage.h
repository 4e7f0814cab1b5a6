// `geoip`: where clients are, by a database of addresses in MaxMind's format (CoreDNS's geoip
// plugin).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/query/metadata.h"
#include "dns/query/stage.h"

namespace clusterdns::dns {

// A file of that format (.mmdb), mapped into memory. Free to read from any thread.
class GeoDatabase {
 public:
  // nullptr: it cannot be read, or knows neither places nor networks; `*error` says why.
  [[nodiscard]] static std::shared_ptr<const GeoDatabase> open(const std::string& path,
                                                               std::string* error);
  ~GeoDatabase();
  GeoDatabase(const GeoDatabase&) = delete;
  GeoDatabase& operator=(const GeoDatabase&) = delete;

  // The value of a label without "geoip/", for an address; empty: it is not known.
  [[nodiscard]] std::string value(std::string_view label, const Endpoint& client) const;
  // What it says it is: "GeoLite2-City".
  [[nodiscard]] std::string type() const;

 private:
  struct File;
  explicit GeoDatabase(std::unique_ptr<File> file);
  std::unique_ptr<File> file_;
};

// Whether there is such a label at all, "geoip/" included.
[[nodiscard]] bool is_geoip_label(std::string_view label) noexcept;

// Queries whose EDNS Client Subnet is known when their answers are logged, of each worker.
inline constexpr std::size_t kGeoipSubnets = 1024;

class GeoipStage final : public Stage, public MetadataSource {
 public:
  // `by_subnet`: the client is whom EDNS Client Subnet (RFC 7871) says, where a query has that.
  // nullptr: nothing is known.
  GeoipStage(std::shared_ptr<const GeoDatabase> database, bool by_subnet, unsigned workers = 1);

  [[nodiscard]] std::string_view name() const noexcept override { return "geoip"; }
  // Keeps the subnet of a query, with `by_subnet`, for the octets of its options do not wait with
  // it.
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] bool serves(RRClass) const noexcept override { return false; }
  // With `by_subnet`, there is none rather than that of somebody else where the subnet is not known
  // any more.
  [[nodiscard]] std::string value(std::string_view label, const MetadataQuery& of) const override;

 private:
  struct Seen {
    std::int64_t received_ns = 0;
    Endpoint client{};
    std::uint16_t id = 0;
    std::optional<Endpoint> subnet;
  };
  [[nodiscard]] static std::size_t slot(const Query& query, const Endpoint& client) noexcept {
    return (query.id * std::size_t{31} + client.port) % kGeoipSubnets;
  }

  const std::shared_ptr<const GeoDatabase> database_;
  const bool by_subnet_;
  // By worker, each by its own thread alone; newer queries take the places of older ones.
  std::vector<std::vector<Seen>> seen_;
};

}  // namespace clusterdns::dns
