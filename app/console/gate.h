// Who may ask the console what: Host, token, Origin.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "app/admin/http_message.h"

namespace clusterdns::app {

// Somebody who found an open door of the browser, a name that leads here by DNS rebinding or
// another site's script, comes with the wrong Host or Origin. One thread's; the calls in the order
// in which they are to be asked.
class Gate {
 public:
  using Clock = std::chrono::steady_clock;

  // Wrong tokens of an address in a minute before it has to wait, and addresses that are
  // remembered.
  static constexpr unsigned kWrongTokens = 10;
  static constexpr std::size_t kAddresses = 1024;
  static constexpr std::chrono::minutes kWrongFor{1};
  // Sessions of browsers at once, and how long one lasts.
  static constexpr std::size_t kSessions = 256;
  static constexpr std::chrono::hours kSessionFor{12};

  struct Options {
    std::string token;               // empty: none is needed
    std::vector<std::string> hosts;  // names it is reached by, besides localhost and addresses
    bool allow_edit = false;
    bool tls = false;
  };
  // `before`: whose sessions go on when the token is the same; nullptr: nobody's.
  explicit Gate(Options options, const Gate* before = nullptr,
                std::function<Clock::time_point()> now = Clock::now);

  // 421 for a Host that is neither an address nor a name of ours, 400 for one that is none.
  [[nodiscard]] std::optional<HttpReply> check_host(const HttpRequest& request) const;
  // 401 without the token, 429 after too many wrong ones.
  [[nodiscard]] std::optional<HttpReply> check_token(const HttpRequest& request);
  // Of what changes state: 403 when another site's page asks.
  [[nodiscard]] std::optional<HttpReply> check_origin(const HttpRequest& request) const;
  // 403 where nothing may be changed.
  [[nodiscard]] std::optional<HttpReply> check_edit() const;

  // POST /login: 303 with a session for the right token, or 401 or 429.
  [[nodiscard]] HttpReply log_in(const HttpRequest& request);

  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  struct Wrong {
    unsigned count = 0;
    Clock::time_point since{};
  };

  [[nodiscard]] bool is_token(std::string_view text) const;
  [[nodiscard]] bool has_session(const HttpRequest& request);
  // Whether the address has to wait, and one more wrong token of it.
  [[nodiscard]] bool must_wait(const HttpRequest& request);
  void count_wrong(const HttpRequest& request);

  const Options options_;
  const std::function<Clock::time_point()> now_;
  // Used on the thread of check(), whichever of those that share it is asked.
  struct State {
    std::map<std::string, Clock::time_point> sessions;  // until when
    std::map<std::string, Wrong> wrong;                 // by address, IPv6 by /64
  };
  const std::shared_ptr<State> state_;
};

// The form that asks for the token.
[[nodiscard]] HttpReply login_form(unsigned status, std::string_view message);

}  // namespace clusterdns::app
