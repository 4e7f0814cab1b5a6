#include "app/directives/upstream_lookups.h"

#include <algorithm>
#include <boost/asio/error.hpp>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>

#include "app/corefile/arguments.h"
#include "app/directives/last_good.h"
#include "dns/forward/upstream_address.h"
#include "dns/wire/name.h"
#include "registry/background.h"

namespace clusterdns::app {
namespace {

namespace api = registry::kubernetes;
using Clock = std::chrono::steady_clock;

// What all names may take together.
constexpr std::chrono::milliseconds kLookUpAtStart{5'000};
constexpr std::chrono::milliseconds kLookUpAtReload{2'000};

api::HostAddresses look_up(UpstreamLookups::Question question) {
  auto& [host, servers] = question;
  if (!host.ends_with('.')) host += '.';
  if (!servers.empty()) return api::look_up_with_cares(host, servers.c_str(), api::kResolverLimit);
  api::HostAddresses found = api::look_up_with_system(host);
  // A hosts file has names without their final dot.
  if (found.error == boost::asio::error::host_not_found) {
    host.pop_back();
    found = api::look_up_with_system(host);
  }
  return found;
}

// Their first argument is where they are served.
bool is_admin(std::string_view directive) {
  return directive == "health" || directive == "ready" || directive == "prometheus" ||
         directive == "console";
}

// The name of `NAME:PORT`; empty: it is none. Letters, digits, `-` and `_` in labels; what ends in
// a number is a mistyped address, and localhost is known.
std::string host_of(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos) return {};
  std::string host = text.substr(0, colon);
  const auto name = dns::Name::from_text(host);
  if (host == "localhost" || !name || name->view().size() == 1) return {};
  const bool plain = std::all_of(host.begin(), host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
  const std::string stem = host.substr(0, host.find_last_not_of('.') + 1);
  const bool is_number = stem.find_first_not_of("0123456789", stem.rfind('.') + 1) == stem.npos;
  return plain && !is_number ? host : std::string();
}

void begin_admin(const Directive& directive, UpstreamLookups& lookups) {
  if (directive.args.empty()) return;
  const std::string host = host_of(directive.args[0].text);
  if (!host.empty()) lookups.begin({host, ""});
}

}  // namespace

// Shared with the threads.
struct UpstreamLookups::State {
  std::mutex mutex;
  std::condition_variable ended;
  std::set<Question> known;
  std::deque<Question> waiting;
  std::map<Question, api::HostAddresses> found;
  std::size_t threads = 0;
  std::optional<Clock::time_point> began;

  void run() {
    std::unique_lock lock(mutex);
    while (!waiting.empty()) {
      const Question question = std::move(waiting.front());
      waiting.pop_front();
      lock.unlock();
      api::HostAddresses result;
      try {
        result = look_up(question);
      } catch (const std::exception&) {
        result = {boost::asio::error::no_memory, {}};
      }
      lock.lock();
      found.emplace(question, std::move(result));
      ended.notify_all();
    }
    --threads;
  }
};

UpstreamLookups::UpstreamLookups() : state_(std::make_shared<State>()) {}

UpstreamLookups::~UpstreamLookups() {
  const std::lock_guard lock(state_->mutex);
  state_->waiting.clear();
}

UpstreamLookups& UpstreamLookups::of(Environment& environment) {
  if (auto* const found = find_companion<UpstreamLookups>(environment)) return *found;
  auto made = std::make_shared<UpstreamLookups>();
  environment.companions.push_back(made);
  return *made;
}

void UpstreamLookups::begin(const Question& question) {
  const std::lock_guard lock(state_->mutex);
  if (!state_->known.insert(question).second) return;
  if (!state_->began) state_->began = Clock::now();
  state_->waiting.push_back(question);
  if (state_->threads == kMaxUpstreamLookups) return;
  ++state_->threads;
  if (registry::run_detached([state = state_] { state->run(); }) || --state_->threads != 0) return;
  // There is no thread at all.
  state_->waiting.clear();
  state_->found.emplace(question, api::HostAddresses{boost::asio::error::no_memory, {}});
}

api::HostAddresses UpstreamLookups::wait(const Question& question,
                                         std::chrono::milliseconds limit) {
  begin(question);
  std::unique_lock lock(state_->mutex);
  const auto is_there = [&] { return state_->found.contains(question); };
  if (!state_->ended.wait_until(lock, *state_->began + limit, is_there)) {
    return {boost::asio::error::timed_out, {}};
  }
  return state_->found.at(question);
}

std::string resolver_list(const Directive& line) {
  std::string list;
  for (const Token& server : line.args) {
    list += (list.empty() ? "" : ",") + parse_host_port(server, dns::kDnsPort).to_string();
  }
  return list;
}

api::HostAddresses look_up_host(Environment& environment,
                                const UpstreamLookups::Question& question) {
  const auto limit = environment.previous == nullptr ? kLookUpAtStart : kLookUpAtReload;
  return UpstreamLookups::of(environment).wait(question, limit);
}

Token with_address(const Token& token, Environment& environment) {
  const std::string host = host_of(token.text);
  if (host.empty()) return token;
  Token result = token;
  result.text.erase(0, host.size());
  if (environment.check_only || environment.elsewhere) {
    // One of its own, so that no two names are taken for the same.
    const std::size_t hash = std::hash<std::string>()(host);
    const auto address = 0x7F80'0001U + static_cast<std::uint32_t>(hash % 0x7F'FFF0U);
    result.text.insert(0, boost::asio::ip::address_v4(address).to_string());
    return result;
  }
  const auto address = or_last_good(environment, "address of " + host, [&] {
    const auto found = look_up_host(environment, {host, ""});
    if (found.addresses.empty()) {
      fail(token, "has no address here (" +
                      (found.error ? found.error.message() : std::string("no records")) +
                      "); write an IP address, or a name that the hosts file or the machine's "
                      "nameservers know");
    }
    // As Go, which listens on one of a name's addresses.
    for (const auto& each : found.addresses) {
      if (each.is_v4()) return each;
    }
    return found.addresses.front();
  });
  result.text.insert(0, address.is_v6() ? "[" + address.to_string() + "]" : address.to_string());
  return result;
}

void prepare_lookups(const Corefile& corefile, Environment& environment) {
  if (environment.check_only || environment.elsewhere) return;
  UpstreamLookups& lookups = UpstreamLookups::of(environment);
  for (const ServerBlock& block : corefile.blocks) {
    for (const Directive& directive : block.directives) {
      if (is_admin(directive.name.text)) begin_admin(directive, lookups);
      if (directive.name.text != "forward") continue;
      std::string resolvers;
      try {
        for (const Directive& line : directive.block) {
          if (line.name.text == "resolver") resolvers = resolver_list(line);
        }
      } catch (const ConfigError&) {
        continue;  // `forward` says so
      }
      for (std::size_t i = 1; i < directive.args.size(); ++i) {
        std::string ignored;
        const std::string& text = directive.args[i].text;
        if (is_upstream_file(text)) continue;
        const auto upstream = dns::parse_upstream(text, &ignored);
        if (!upstream || upstream->host.empty()) continue;
        lookups.begin({upstream->host, resolvers});
      }
    }
  }
}

}  // namespace clusterdns::app
