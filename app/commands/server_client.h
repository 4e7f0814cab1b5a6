// Asks the API of a running server's console.
#pragma once

#include <chrono>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// A path below /api/v1/ with parameters.
class ServerQuery {
 public:
  explicit ServerQuery(std::string_view path) : target_("/api/v1/" + std::string(path)) {}
  void add(std::string_view name, std::string_view value);
  [[nodiscard]] const std::string& target() const noexcept { return target_; }

 private:
  std::string target_;
  char separator_ = '?';
};

// Why a server is not asked, or what it says: names it, and what to do.
class ServerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};
// Runs `read`, which asks `server` and takes its replies apart. Whatever that throws because they
// are not as the API has them becomes a ServerError.
void read_replies(const ServerUrl& server, const std::function<void()>& read);

// How long connecting, and then each wait for more of the reply, may take.
inline constexpr std::chrono::seconds kServerPatience{30};

struct ServerReply {
  unsigned status = 0;
  std::string body;
};
// Throws ServerError when there is no reply.
[[nodiscard]] ServerReply get_from_server(const ServerUrl& server, const ServerQuery& query,
                                          std::chrono::seconds patience = kServerPatience);
// The JSON of a reply with status 200. Throws ServerError with what the server says otherwise.
[[nodiscard]] boost::json::value ask_server(const ServerUrl& server, const ServerQuery& query);
// The same of a request that changes something.
[[nodiscard]] boost::json::value tell_server(const ServerUrl& server, const ServerQuery& query);
// The items of a list, of all its pages; `member`: where they are. `last`: the last page without
// them.
[[nodiscard]] boost::json::array list_of_server(const ServerUrl& server, const ServerQuery& query,
                                                std::string_view member = "items",
                                                boost::json::object* last = nullptr);
// Gives each line of a stream to `line` until it says false or the stream ends.
void follow_server(const ServerUrl& server, const ServerQuery& query,
                   const std::function<bool(std::string_view)>& line);

}  // namespace clusterdns::app
