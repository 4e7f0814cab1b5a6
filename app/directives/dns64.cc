// dns64 [PREFIX] {
//   prefix PREFIX
//   translate_all
//   allow_ipv4
// }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/shape/shape_stages.h"

namespace clusterdns::app {
namespace {

using Options = dns::Dns64Stage::Options;

void read_prefix(const Token& token, Options& options) {
  const auto cidr = parse_cidr(token);
  const std::string text = cidr.to_string();
  const std::size_t slash = text.find('/');
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address_v6(text.substr(0, slash), error);
  const int bits = slash == std::string::npos ? 128 : std::stoi(text.substr(slash + 1));
  if (error) fail(token, "is not a prefix of IPv6; write one such as 64:ff9b::/96");
  if (bits % 8 != 0 || bits < 32 || bits > 96) {
    fail(token,
         "has a length that no address of IPv4 can follow; write 32, 40, 48, 56, 64 or 96 "
         "bits");
  }
  const auto octets = address.to_bytes();
  std::copy(octets.begin(), octets.end(), options.prefix.begin());
  options.prefix_bits = static_cast<unsigned>(bits);
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Options& options) { read_prefix(line.args[0], options); }>(
        "prefix", "PREFIX", "what IPv4 addresses are put behind (RFC 6052)", "64:ff9b::/96"),
    option<[](const Directive&, Options& options) { options.translate_all = true; }>(
        "translate_all", "", "also for names that have AAAA records"),
    option<[](const Directive&, Options& options) { options.allow_ipv4 = true; }>(
        "allow_ipv4", "", "also for clients that ask over IPv4"),
};

}  // namespace

std::span<const Option> dns64_options() { return kOptions; }

void set_up_dns64(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 1, "dns64 [PREFIX]");
  Options options;
  if (!directive.args.empty()) read_prefix(directive.args[0], options);
  read_options(directive, kOptions, setup.environment.problems, options);
  auto stage = std::make_shared<dns::Dns64Stage>(options, setup.environment.workers);
  setup.route.stages.push_back(stage);
  setup.environment.collectors.push_back([stage, server = setup.server](Exposition& out) {
    out.counter("coredns_dns64_requests_translated_total",
                "Counter of DNS requests translated by dns64.", {{"server", server}},
                static_cast<double>(stage->translated()));
  });
}

}  // namespace clusterdns::app
