// tls CERT KEY [CA] { client_auth … }
//
// What `tls://` and `https://` zones of the block show to clients (RFC 7858, RFC 8484).
#include <algorithm>

#include "app/corefile/options.h"
#include "app/corefile/zone_key.h"
#include "app/directives/directive.h"
#include "app/directives/tls_files.h"

namespace clusterdns::app {
namespace {

using Auth = dns::TlsClientAuth;

void read_client_auth(const Directive& line, dns::TlsSettings& settings) {
  static constexpr std::string_view kWords[] = {"nocert", "request", "require", "verify_if_given",
                                                "require_and_verify"};
  const std::string_view word = parse_choice(line.args[0], kWords);
  const auto at = std::find(std::begin(kWords), std::end(kWords), word) - std::begin(kWords);
  settings.client_auth = static_cast<Auth>(at);
}

constexpr Option kOptions[] = {
    option<&read_client_auth>(
        "client_auth", "nocert|request|require|verify_if_given|require_and_verify",
        "whether clients are asked for a certificate, must have one, and must have it from CA",
        "`nocert`"),
    later_option("keylog"),
};

// Those of the same block before the reload, if there are any: sessions of clients go on.
std::shared_ptr<dns::TlsContexts> find_kept(const Directive& directive, const BlockSetup& setup) {
  if (setup.environment.previous == nullptr) return nullptr;
  for (const TlsOfBlock& each : setup.environment.previous->tls) {
    if (each.block == setup.id() && says_the_same(each.directive, directive)) return each.contexts;
  }
  return nullptr;
}

}  // namespace

std::span<const Option> tls_options() { return kOptions; }

void set_up_tls(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  if (directive.args.empty()) {
    fail(directive.name.at,
         "needs a certificate and its key; write `tls CERT KEY` (ACME is not "
         "supported: let somebody else renew the files, which are followed)");
  }
  require_arguments(directive, 2, 3, "tls CERT KEY [CA]");
  dns::TlsSettings settings;
  read_options(directive, kOptions, environment.problems, settings);
  const bool used = std::any_of(setup.block.keys.begin(), setup.block.keys.end(),
                                [](const ZoneKey& key) { return uses_tls(key.scheme); });
  if (!used) {
    environment.problems.warn(directive.name.at,
                              "is without effect: no zone of the server block is served over TLS; "
                              "write tls:// before one, as in tls://" +
                                  setup.block.keys.front().zone);
    return;
  }
  if (environment.elsewhere) {
    setup.tls = std::make_shared<dns::TlsContexts>(nullptr);
    return;
  }
  const auto files =
      std::make_shared<TlsFiles>(directive.args, setup.root, directive.name.at, "tls",
                                 &dns::TlsContext::for_server, environment.logger, settings);
  auto first = files->load_or_last(environment);
  setup.tls = find_kept(directive, setup);
  if (setup.tls == nullptr) setup.tls = std::make_shared<dns::TlsContexts>(std::move(first));
  files->keep_current(setup.tls);
  environment.tls.push_back({setup.id(), directive, setup.tls});
  environment.companions.push_back(files);
  environment.collectors.push_back(files->metrics());
}

}  // namespace clusterdns::app
