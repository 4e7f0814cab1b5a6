// console [ADDRESS:PORT] { OPTION… }
#include <chrono>

#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/corefile/token_file.h"
#include "app/directives/directive.h"
#include "app/directives/last_good.h"
#include "app/directives/upstream_lookups.h"
#include "dns/base/regular_file.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kDefaultAddress = "localhost:5380";
constexpr std::size_t kLongestPem = 256 * 1024;

struct Reading {
  ConsolePlan plan;
  Environment& environment;
};

// Throws ConfigError.
std::string read_pem(const Token& token) {
  auto text = dns::read_regular_file(expand_path(token.text), kLongestPem);
  if (!text) fail(token, text.error() + "; name a PEM file that this user may read");
  return std::move(*text);
}

void read_token(const Directive& line, Reading& reading) {
  if (reading.environment.elsewhere) {
    reading.plan.token = "*";  // there is one
    return;
  }
  reading.plan.token = or_last_good(reading.environment, "console token " + line.args[0].text, [&] {
    auto token = read_token_file(expand_path(line.args[0].text));
    if (!token) fail(line.args[0], token.error());
    return std::move(*token);
  });
}

void read_host(const Directive& line, Reading& reading) {
  for (const Token& host : line.args) {
    const dns::Name name = zone_name(host.text, host.at);
    std::string text = name.to_text();
    if (name.is_root()) fail(host, "is not the name of a host");
    text.pop_back();
    reading.plan.hosts.push_back(std::move(text));
  }
}

void read_tls(const Directive& line, Reading& reading) {
  if (reading.environment.elsewhere) {
    reading.plan.tls.emplace();
    return;
  }
  const std::string key = "console tls " + line.args[0].text + "\n" + line.args[1].text;
  reading.plan.tls = or_last_good(reading.environment, key, [&] {
    HttpCertificate certificate{read_pem(line.args[0]), read_pem(line.args[1])};
    try {
      check_certificate(certificate);
    } catch (const std::runtime_error& e) {
      throw ConfigError(line.args[0].at, e.what());
    }
    return certificate;
  });
}

constexpr Option kOptions[] = {
    option<&read_token>("token", "FILE",
                        "who asks must know the token that this file holds; needed on addresses "
                        "that others can reach"),
    option<&read_host>("host", "NAME…",
                       "names it is reached by, besides `localhost` and addresses"),
    option<&read_tls>("tls", "CERT KEY", "serves HTTPS with this certificate and key (PEM)"),
    option<[](const Directive&, Reading& reading) { reading.plan.allow_edit = true; }>(
        "allow_edit", "", "lets clients reload the configuration and flush the cache"),
    option<[](const Directive& line, Reading& reading) {
      reading.plan.history = parse_duration(line.args[0], BareDuration::Refused,
                                            std::chrono::minutes(1), std::chrono::hours(24));
    }>("history", "DURATION", "how much of the past the charts show, 1m to 24h", "15m"),
};

}  // namespace

std::span<const Option> console_options() { return kOptions; }

void set_up_console(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{{}, environment};
  const std::size_t errors = environment.problems.errors();
  read_options(directive, kOptions, environment.problems, reading);
  require_arguments(directive, 0, 1, "console [ADDRESS:PORT]");
  ConsolePlan& plan = reading.plan;
  // The usual place may be somebody else's, who was there first: nobody named it.
  plan.may_be_taken = directive.args.empty();
  const Token address = directive.args.empty()
                            ? Token{std::string(kDefaultAddress), directive.name.at}
                            : with_address(directive.args[0], environment);
  const HttpAddress at = parse_http_address(address);
  plan.at = directive.name.at;
  const bool reachable = at.every_family || !at.address.is_loopback();
  // What is wrong with `token` itself has been told.
  if (reachable && plan.token.empty() && environment.problems.errors() == errors) {
    throw ConfigError(
        address.at, in_quotes(address.text) +
                        " can be reached by others; add 'token FILE', which the console then asks "
                        "for, or use localhost");
  }
  if (reachable && !plan.tls && !environment.check_only) {
    environment.logger->warn(
        "plugin/console: the token travels unencrypted to {}; add 'tls CERT KEY'", address.text);
  }
  const std::string key = at.key();
  const auto known = environment.admin.consoles.find(key);
  if (known != environment.admin.consoles.end()) {
    if (!known->second.says_the_same(plan)) {
      throw ConfigError(directive.name.at,
                        "the console of " + in_quotes(at.text) + " has other options at " +
                            to_string(known->second.at) + "; give it one block of options");
    }
    known->second.may_be_taken = known->second.may_be_taken && plan.may_be_taken;
    return;
  }
  environment.admin.serve(address, environment.admin.console);
  environment.admin.consoles.emplace(key, std::move(plan));
}

}  // namespace clusterdns::app
