// Who follows a stream of the console, and what each has missed.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <boost/json/object.hpp>

#include "app/admin/http_message.h"

namespace clusterdns::app {

// Control thread.
class Subscribers {
 public:
  // Begins a stream: NDJSON for who accepts that, else server-sent events.
  void add(const HttpRequest& request, HttpResponder& responder);
  // Gives `event` to all. Who does not keep up misses it, and is told how many it missed as soon as
  // there is room.
  void tell(const boost::json::object& event);
  // Forgets those whose client is gone.
  void prune();
  // Ends all.
  void close();
  [[nodiscard]] bool empty() const noexcept { return all_.empty(); }

 private:
  struct Subscriber {
    std::shared_ptr<HttpStream> stream;
    bool lines = false;  // NDJSON
    std::uint64_t dropped = 0;
  };
  static bool write(Subscriber& to, const std::string& json);

  std::vector<Subscriber> all_;
};

}  // namespace clusterdns::app
