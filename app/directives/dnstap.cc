// dnstap SOCKET|tcp://HOST:PORT|tls://HOST:PORT [full] [WRITEBUFFER] [QUEUE] { OPTION… }
#include "app/directives/dnstap.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <stdexcept>

#include "app/base/version.h"
#include "app/corefile/options.h"
#include "app/directives/last_good.h"
#include "app/directives/query_format.h"
#include "dns/net/tls_stream.h"
#include "dns/tap/tap.h"
#include "registry/ip_address.h"
#include "registry/kubernetes/host_lookup.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kUsage =
    "dnstap SOCKET|tcp://HOST:PORT|tls://HOST:PORT [full] [WRITEBUFFER] [QUEUE]";

// CoreDNS's bounds.
constexpr std::int64_t kMostWriteBuffer = 1024;
constexpr std::int64_t kMostQueue = 4096;
// Octets of the path of a unix socket (unix(7)).
constexpr std::size_t kMostPath = 107;

struct Reading {
  dns::Tap::Options options = {};
  bool verify = true;
};

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      reading.options.identity = line.args[0].text;
    }>("identity", "IDENTITY", "what this server is called in messages", "the host's name"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.version = line.args[0].text;
    }>("version", "VERSION", "the version that messages name", "this program's"),
    option<[](const Directive& line, Reading& reading) {
      const std::string& text = line.args[0].text;
      const QueryFormat format(text);
      reading.options.extra = format.is_constant() ? text : std::string();
      reading.options.make_extra = nullptr;
      if (format.is_constant()) return;
      reading.options.make_extra = [format](const dns::AnswerObserver::Event& event) {
        return format.text(event);
      };
    }>("extra", "EXTRA", "text that goes along; takes the `{…}` of `log`"),
    option<[](const Directive&, Reading& reading) { reading.verify = false; }>(
        "skipverify", "", "takes any certificate of a tls:// collector"),
};

// A tap and the configurations that have it: it goes on from one to the next, and ends with the
// last one.
class TapUser final : public Companion {
 public:
  TapUser(Directive directive, unsigned workers, std::shared_ptr<dns::Tap> tap,
          std::shared_ptr<unsigned> users)
      : directive_(std::move(directive)),
        workers_(workers),
        tap_(std::move(tap)),
        users_(std::move(users)) {
    ++*users_;
  }
  ~TapUser() override {
    stop();
    if (last_) tap_->close();  // those that end together wait at the same time
  }

  [[nodiscard]] bool is_for(const Directive& directive, unsigned workers) const {
    return workers_ == workers && says_the_same(directive_, directive);
  }
  [[nodiscard]] const std::shared_ptr<dns::Tap>& tap() const noexcept { return tap_; }
  [[nodiscard]] const std::shared_ptr<unsigned>& users() const noexcept { return users_; }

  void start(boost::asio::io_context&) override { tap_->start(); }
  void stop() noexcept override {
    if (std::exchange(stopped_, true)) return;
    last_ = --*users_ == 0;
    if (last_) tap_->begin_close();
  }

 private:
  const Directive directive_;
  const unsigned workers_;
  const std::shared_ptr<dns::Tap> tap_;
  const std::shared_ptr<unsigned> users_;  // the control thread's
  bool stopped_ = false;
  bool last_ = false;  // nobody else uses it
};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Where a collector listens.
struct Remote {
  std::string host;
  std::uint16_t port = 0;
};

Remote parse_remote(const Token& token, std::string_view text) {
  const std::size_t colon = text.rfind(':');
  std::string_view host = text.substr(0, std::min(colon, text.size()));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (colon == text.npos || host.empty() || (!bracketed && host.find(':') != host.npos)) {
    fail(token, "is not a place to send to; write it like tcp://collector.example:6000");
  }
  const Token port{std::string(text.substr(colon + 1)), token.at};
  Remote remote{std::string(host), parse_port(port)};
  if (remote.port == 0) fail(token, "has no port to send to; write one from 1 to 65535");
  return remote;
}

std::vector<dns::Endpoint> find(const Remote& remote, std::string& why) {
  boost::system::error_code not_an_address;
  const auto address = boost::asio::ip::make_address(remote.host, not_an_address);
  if (!not_an_address) return {dns::make_endpoint(address, remote.port)};
  const auto found = registry::kubernetes::look_up_with_system(remote.host);
  std::vector<dns::Endpoint> endpoints;
  for (const auto& each : found.addresses) {
    endpoints.push_back(dns::make_endpoint(each, remote.port));
  }
  if (endpoints.empty()) why = "lookup " + remote.host + ": " + found.error.message();
  return endpoints;
}

void read_endpoint(const Token& token, Reading& reading, bool& with_tls, bool& remote) {
  std::string_view text = token.text;
  const auto take = [&](std::string_view scheme) {
    if (!text.starts_with(scheme)) return false;
    text.remove_prefix(scheme.size());
    return true;
  };
  with_tls = take("tls://");
  remote = with_tls || take("tcp://");
  if (!remote) {
    (void)take("unix://");
    if (text.empty()) fail(token, "names no socket; write it like /run/dnstap.sock");
    if (text.size() > kMostPath) {
      fail(token, "is too long for a socket; write a path of at most " + std::to_string(kMostPath) +
                      " octets");
    }
    reading.options.path = text;
    return;
  }
  const Remote at = parse_remote(token, text);
  reading.options.server_name = at.host;
  reading.options.find = [at](std::string& why) { return find(at, why); };
}

std::shared_ptr<dns::Tap> make_tap(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading;
  dns::Tap::Options& options = reading.options;
  options.identity = host_name();
  options.version = "clusterdns-" + std::string(version_number());
  read_options(directive, kOptions, environment.problems, reading);
  require_arguments(directive, 1, 4, kUsage);
  const std::vector<Token>& words = directive.args;
  if (words[0].text == "listen") {
    fail(words[0],
         "is a form of CoreDNS that is not supported; let the collector listen, and name it: `" +
             std::string(kUsage) + "`");
  }
  bool with_tls = false, remote = false;
  read_endpoint(words[0], reading, with_tls, remote);
  options.full = words.size() > 1 && words[1].text == "full";
  if (words.size() > 1 && !options.full) {
    environment.problems.warn(
        words[1].at, in_quotes(words[1].text) + " is not `full`: messages go without their octets");
  }
  const std::int64_t buffer = words.size() > 2 ? parse_integer(words[2], 1, kMostWriteBuffer) : 1;
  const std::int64_t queue = words.size() > 3 ? parse_integer(words[3], 1, kMostQueue) : 1;
  options.write_buffer = static_cast<std::size_t>(buffer) << 20;
  options.octets = std::min(static_cast<std::size_t>(queue) * dns::kTapOctets, dns::kTapOctetsMost);
  options.workers = environment.workers;
  if (!reading.verify && !with_tls) {
    environment.problems.warn(directive.name.at,
                              "`skipverify` is about tls:// collectors, and this is none");
  }
  if (with_tls && !environment.check_only) {
    try {
      options.tls = std::make_shared<dns::TlsContexts>(
          reading.verify ? dns::TlsContext::for_client({}) : dns::TlsStream::trusting_context());
    } catch (const std::runtime_error& e) {
      throw ConfigError(words[0].at, e.what());
    }
  }
  const auto tell = [&](spdlog::level::level_enum level) {
    return [logger = environment.logger, level](const std::string& text) {
      logger->log(level, "plugin/dnstap: {}", text);
    };
  };
  options.warn = tell(spdlog::level::warn);
  options.error = tell(spdlog::level::err);
  return std::make_shared<dns::Tap>(std::move(options));
}

// That of another block or of the configuration before, if it says the same.
std::shared_ptr<dns::Tap> tap_of(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  const auto same = [&](const TapUser& user) {
    return user.is_for(directive, environment.workers);
  };
  for (const auto& companion : environment.companions) {
    const auto* const user = dynamic_cast<const TapUser*>(companion.get());
    if (user != nullptr && same(*user)) return user->tap();
  }
  const auto before = find_before<TapUser>(environment, same);
  auto user = std::make_shared<TapUser>(
      directive, environment.workers,
      before == nullptr ? make_tap(directive, setup) : before->tap(),
      before == nullptr ? std::make_shared<unsigned>(0) : before->users());
  const std::shared_ptr<dns::Tap> tap = user->tap();
  environment.companions.push_back(std::move(user));
  environment.collectors.push_back(
      {[tap, to = directive.args[0].text](Exposition& out) {
         out.counter("clusterdns_dnstap_messages_total", "Messages sent to a collector.",
                     {{"to", to}}, static_cast<double>(tap->sent()));
         out.counter("clusterdns_dnstap_dropped_total",
                     "Messages that a collector did not take, or not in time.", {{"to", to}},
                     static_cast<double>(tap->dropped()));
       },
       tap});
  return tap;
}

}  // namespace

std::span<const Option> dnstap_options() { return kOptions; }

void set_up_dnstap(const Directive& directive, BlockSetup& setup) {
  const std::shared_ptr<dns::Tap> tap = tap_of(directive, setup);
  setup.route.stages.push_back(std::make_shared<dns::TapStage>(tap));
  setup.route.observers.push_back(std::make_shared<dns::TapObserver>(tap));
}

std::vector<std::shared_ptr<dns::UpstreamTap>> taps_of(const BlockSetup& setup) {
  std::vector<std::shared_ptr<dns::UpstreamTap>> taps;
  for (const auto& stage : setup.route.stages) {
    const auto* const tap = dynamic_cast<const dns::TapStage*>(stage.get());
    if (tap != nullptr) taps.push_back(tap->tap());
  }
  return taps;
}

}  // namespace clusterdns::app
