// What the listeners serve: replaceable while running, immutable once published.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "dns/http/http_session.h"
#include "dns/net/address_ranges.h"
#include "dns/net/tls_context.h"
#include "dns/query/stage.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

// The server blocks that share one listening address, found by longest zone (RFC 1034 4.3.2).
class ListenerRoutes {
 public:
  // Later calls of find() see the new one; of equal zones the first counts. Not for use after
  // publication.
  void add(const Name& zone, std::shared_ptr<const Route> route);

  // The same with other routes in their places: what `replace` makes of each. These have its
  // upstreams.
  [[nodiscard]] ListenerRoutes with_routes(
      const std::function<std::shared_ptr<const Route>(const Route&)>& replace) const;

  // The route whose zone is the longest that holds the question name; nullptr: none does.
  [[nodiscard]] const std::shared_ptr<const Route>* find(const Query& query) const noexcept;
  // Whether `client` has some names forwarded here: decides RA (RFC 1035 4.1.1).
  [[nodiscard]] bool recursion_available(const Endpoint& client) const noexcept {
    return forwards_ && may_forward(client);
  }

  // All, in the order in which they were added.
  [[nodiscard]] const std::vector<std::shared_ptr<const Route>>& routes() const noexcept {
    return routes_;
  }

  // Those of the routes that see what comes to none of them, each once.
  [[nodiscard]] const std::vector<std::shared_ptr<AnswerObserver>>& observers() const noexcept {
    return observers_;
  }

  // Counts the queries that no server block is for; nullptr: they are not counted.
  std::shared_ptr<RouteCounters> dropped;

 private:
  // Apart, so that a query pays for them only where they are needed.
  [[nodiscard]] bool may_forward(const Endpoint& client) const noexcept;
  [[nodiscard]] const std::shared_ptr<const Route>* find_among_many(
      const Query& query) const noexcept;

  struct Entry {
    Name zone;  // lower-case
    std::shared_ptr<const Route> route;
  };

  std::vector<std::shared_ptr<const Route>> routes_;
  std::vector<std::shared_ptr<AnswerObserver>> observers_;
  ZoneSet zones_;
  std::vector<std::shared_ptr<const Route>> by_zone_;  // in the order of `zones_`
  // The same, most labels first, while they are few.
  std::vector<Entry> few_;
  // Clients of all upstreams, and the upstreams that do not say theirs.
  AddressRanges clients_;
  std::vector<const Upstream*> upstreams_;
  bool forwards_ = false;  // there is an upstream
};

struct ListenAddress {
  boost::asio::ip::address address;
  std::uint16_t port = 53;  // 0: any free one, the same for UDP and TCP
  bool tls = false;         // DNS over TLS (RFC 7858): TCP alone
  bool https = false;       // DNS over HTTPS (RFC 8484). REQUIRES: tls
  friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

// Of a listener for DNS over HTTPS, see the directive `https`.
struct HttpsLimits {
  unsigned streams = kDohStreams;  // at once, of each HTTP/2 connection
  // Connections of each worker at once; when one more comes, the client that has most of them gives
  // one. 0: as many as TcpLimits says.
  std::size_t connections = 0;
};

struct Configuration {
  struct Listener {
    ListenAddress address;
    ListenerRoutes routes;
    std::shared_ptr<TlsContexts> tls = {};  // REQUIRES: there is one if the address says so
    HttpsLimits https = {};
    std::shared_ptr<HttpCounters> http_counters = {};  // nullptr: responses are not counted
  };
  std::vector<Listener> listeners;
};

}  // namespace clusterdns::dns
