// What the listeners serve: replaceable while running, immutable once published.
#pragma once

#include <memory>
#include <vector>

#include "dns/query/stage.h"
#include "dns/wire/name.h"

namespace clusterdns::dns {

// The server blocks that share one listening address, found by longest zone (RFC 1034 4.3.2).
class ListenerRoutes {
 public:
  struct Entry {
    Name zone;  // lower-case
    std::shared_ptr<const Route> route;
  };

  // Later calls of find() see the new entry. Not for use after publication.
  void add(Name zone, std::shared_ptr<const Route> route);

  // The route whose zone is the longest that holds the question name; nullptr: none does.
  [[nodiscard]] const std::shared_ptr<const Route>* find(const Query& query) const noexcept;
  // Whether `client` has some names forwarded here: decides RA (RFC 1035 4.1.1).
  [[nodiscard]] bool recursion_available(const Endpoint& client) const noexcept;

  [[nodiscard]] const std::vector<Entry>& entries() const noexcept { return entries_; }

  // Counts the queries that no server block is for; nullptr: they are not counted.
  std::shared_ptr<RouteCounters> dropped;

 private:
  std::vector<Entry> entries_;  // most labels first
  std::vector<const Upstream*> upstreams_;
};

struct ListenAddress {
  boost::asio::ip::address address;
  std::uint16_t port = 53;  // 0: any free one, the same for UDP and TCP
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

struct Configuration {
  struct Listener {
    ListenAddress address;
    ListenerRoutes routes;
  };
  std::vector<Listener> listeners;
};

}  // namespace clusterdns::dns
