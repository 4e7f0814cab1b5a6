// etcd [ZONES…] { OPTION… }
#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/etcd_source.h"
#include "app/directives/last_good.h"
#include "app/directives/tls_files.h"
#include "app/directives/zone_directives.h"
#include "app/directives/zone_options.h"
#include "zones/file/skydns_stage.h"

namespace clusterdns::app {
namespace {

namespace api = registry::kubernetes;

// CoreDNS's.
constexpr const char* kDefaultEndpoint = "http://localhost:2379";
constexpr const char* kDefaultPath = "/skydns";
constexpr std::uint32_t kDefaultLeastTtl = 30, kDefaultMostTtl = 86'400;

// What the lines of the block are read into.
struct Reading {
  zones::SkyDnsStage::Options stage;
  EtcdSettings settings;
  std::optional<Directive> tls = {};
  const ServerBlock& block;
};

// "60", or a duration; 0: as without the line.
std::uint32_t lease_ttl(const Token& word, std::uint32_t otherwise) {
  const bool number = word.text.find_first_not_of("0123456789") == std::string::npos;
  const Token duration{word.text + (number ? "s" : ""), word.at, word.quoted};
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(parse_duration(duration)).count();
  if (seconds > 0x7FFF'FFFF) fail(word, "is too long; write at most 2147483647 seconds");
  return seconds == 0 ? otherwise : static_cast<std::uint32_t>(seconds);
}

api::ApiServer read_endpoint(const Token& word) {
  try {
    return api::parse_api_server(word.text);
  } catch (const api::ConfigProblem& problem) {
    fail(word.at, problem.what());
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      // Slashes at both ends and double ones mean nothing.
      std::string& prefix = reading.settings.prefix;
      prefix.clear();
      std::string_view left = line.args[0].text;
      while (!left.empty()) {
        const std::size_t slash = std::min(left.find('/'), left.size());
        if (slash != 0) prefix += "/" + std::string(left.substr(0, slash));
        left.remove_prefix(std::min(slash + 1, left.size()));
      }
    }>("path", "PATH", "what the keys begin with", "`/skydns`"),
    option<[](const Directive& line, Reading& reading) {
      reading.settings.servers.clear();
      for (const Token& word : line.args) reading.settings.servers.push_back(read_endpoint(word));
    }>("endpoint", "URL…", "where etcd is; where one fails the next is asked",
       "`http://localhost:2379`"),
    option<[](const Directive& line, Reading& reading) {
      reading.settings.user = line.args[0].text;
      reading.settings.password = line.args[1].text;
    }>("credentials", "USERNAME PASSWORD", "user name and password for etcd", "none"),
    option<[](const Directive& line, Reading& reading) { reading.tls = line; }>(
        "tls", "[CERT KEY] [CA]",
        "of endpoints after https://: our certificate and key, and the authorities that theirs "
        "must be signed by (PEM)",
        "no certificate; the machine's authorities"),
    option<[](const Directive& line, Reading& reading) {
      reading.stage.fall_through = read_fall_through(line, reading.block);
    }>("fallthrough", "[ZONE…]", "names that do not exist go on to the next stage", "NXDOMAIN"),
    option<[](const Directive& line, Reading& reading) {
      reading.stage.least_lease_ttl = lease_ttl(line.args[0], kDefaultLeastTtl);
    }>("min-lease-ttl", "DURATION", "the least TTL that a lease makes; a number is seconds", "30s"),
    option<[](const Directive& line, Reading& reading) {
      reading.stage.most_lease_ttl = lease_ttl(line.args[0], kDefaultMostTtl);
    }>("max-lease-ttl", "DURATION", "the longest one", "24h"),
    idle_option("stubzones", "", "accepted, and without effect, as in CoreDNS"),
    idle_option("debug", "", "accepted, and without effect, as in CoreDNS"),
    idle_option("upstream", "[ADDRESS…]", "accepted, and without effect, as in CoreDNS"),
};

// The source of an equal directive, of this configuration or of the one before.
std::shared_ptr<EtcdSource> find_source(const Environment& environment, const std::string& key) {
  for (const auto& companion : environment.companions) {
    const auto session = std::dynamic_pointer_cast<EtcdSession>(companion);
    if (session != nullptr && session->source()->settings().key == key) return session->source();
  }
  const auto before = find_before<EtcdSession>(environment, [&](const EtcdSession& session) {
    return session.source()->settings().key == key;
  });
  return before == nullptr ? nullptr : before->source();
}

}  // namespace

std::span<const Option> etcd_options() { return kOptions; }

void set_up_etcd(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{.stage = {}, .settings = {}, .block = setup.block};
  EtcdSettings& settings = reading.settings;
  reading.stage.rotate = setup.rotate;
  settings.prefix = kDefaultPath;
  settings.servers = {api::parse_api_server(kDefaultEndpoint)};
  environment.problems.attempt([&] {
    refuse_option_names(directive.args, kOptions);
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      reading.stage.zones.add(zone_name(zone, directive.name.at));
    }
  });
  read_options(directive, kOptions, environment.problems, reading);
  if (reading.stage.least_lease_ttl > reading.stage.most_lease_ttl) {
    fail(directive.name.at, "has a `min-lease-ttl` above its `max-lease-ttl`");
  }
  settings.key = settings.prefix + '\n' + settings.user + '\n' + settings.password;
  bool any_tls = false;
  for (const api::ApiServer& server : settings.servers) {
    any_tls = any_tls || server.tls;
    settings.key +=
        '\n' + std::string(server.tls ? "https" : "http") + server.host_port() + server.base_path;
  }
  if (reading.tls && !any_tls) {
    environment.problems.warn(reading.tls->name.at,
                              "is without effect, since no endpoint begins with https://");
  }
  std::shared_ptr<TlsFiles> files;
  if (any_tls && !environment.elsewhere) {
    static const std::vector<Token> none;
    settings.key += '\n' + setup.root.string();
    for (const Token& word : reading.tls ? reading.tls->args : none) {
      settings.key += '\n' + word.text;
    }
    files = std::make_shared<TlsFiles>(reading.tls ? reading.tls->args : none, setup.root,
                                       reading.tls ? reading.tls->name.at : directive.name.at,
                                       "etcd", &dns::TlsContext::for_client, environment.logger);
    settings.tls = std::make_shared<dns::TlsContexts>(files->load_or_last(environment));
  }
  if (environment.check_only) return;
  auto source = find_source(environment, settings.key);
  if (source == nullptr) {
    source =
        std::make_shared<EtcdSource>(std::move(settings), environment.reclaim, environment.logger);
  } else if (files != nullptr) {
    source->settings().tls->replace(settings.tls->now());
  }
  if (files != nullptr) {
    files->keep_current(source->settings().tls);
    environment.collectors.push_back(files->metrics());
    environment.companions.push_back(files);
  }
  environment.companions.push_back(std::make_shared<EtcdSession>(source));
  environment.collectors.push_back(
      Metrics::Collector([source](Exposition& out) { source->collect(out); }, source));
  setup.route.stages.push_back(
      std::make_shared<zones::SkyDnsStage>(std::move(reading.stage), source->store()));
}

}  // namespace clusterdns::app
