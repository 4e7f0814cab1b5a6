#include "app/node/kube_dns_config.h"

#include <algorithm>
#include <stdexcept>
#include <system_error>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "app/corefile/error.h"
#include "app/corefile/files.h"
#include "app/corefile/zone_key.h"
#include "dns/forward/upstream_address.h"
#include "registry/ip_address.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kStubDomains = "stubDomains";
constexpr std::string_view kUpstreams = "upstreamNameservers";

[[noreturn]] void refuse(std::string_view key, const std::string& what) {
  throw std::runtime_error(std::string(key) + ": " + what);
}

boost::json::value parsed(std::string_view key, std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = 4;
  boost::json::error_code error;
  boost::json::value value = boost::json::parse(text, error, {}, options);
  if (error) refuse(key, "it is no JSON: " + error.message());
  return value;
}

// Addresses and names have no other characters; nothing else could end a word of a Corefile.
bool is_plain(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_.:[]/%").find(c) != std::string_view::npos;
  });
}

std::string zone_of(std::string_view domain) {
  constexpr const char* kAdvice = " is not a domain; write a name like corp.example";
  if (!is_plain(domain) || domain.find_first_of(":[]/%") != std::string_view::npos) {
    refuse(kStubDomains, in_quotes(domain) + kAdvice);
  }
  try {
    std::string zone = parse_zone(domain, {}).at(0);
    if (zone == ".") {
      refuse(kStubDomains,
             "'.' is every name; write those servers into " + std::string(kUpstreams));
    }
    zone.pop_back();
    return zone;
  } catch (const ConfigError&) {
    refuse(kStubDomains, in_quotes(domain) + kAdvice);
  }
}

std::vector<std::string> servers_of(std::string_view key, const boost::json::value& value) {
  constexpr const char* kAdvice = "write a list like [\"192.0.2.53\", \"192.0.2.54:5353\"]";
  const auto* const list = value.if_array();
  if (list == nullptr) refuse(key, std::string("these are no servers; ") + kAdvice);
  std::vector<std::string> servers;
  for (const boost::json::value& each : *list) {
    const auto* const text = each.if_string();
    if (text == nullptr) refuse(key, std::string("a server is no text; ") + kAdvice);
    const std::string server(text->begin(), text->end());
    std::string error = in_quotes(server) + " is not the address of a server";
    if (!is_plain(server) || !dns::parse_upstream(server, &error)) refuse(key, error);
    servers.push_back(server);
  }
  if (servers.size() > dns::kMaxUpstreams) {
    refuse(key, std::to_string(servers.size()) + " servers; at most " +
                    std::to_string(dns::kMaxUpstreams) + " are possible");
  }
  return servers;
}

std::string value_of(const std::filesystem::path& folder, std::string_view key) {
  const std::filesystem::path file = folder / key;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return {};
  return read_config_file(file, Position{file.string()});
}

}  // namespace

KubeDnsConfig parse_kube_dns_config(std::string_view stub_domains, std::string_view upstreams) {
  KubeDnsConfig config;
  if (!stub_domains.empty()) {
    const boost::json::value value = parsed(kStubDomains, stub_domains);
    const auto* const domains = value.if_object();
    if (domains == nullptr && !value.is_null()) {
      refuse(kStubDomains, "this is no object; write {\"corp.example\": [\"192.0.2.53\"]}");
    }
    if (domains != nullptr) {
      if (domains->size() > kMaxStubDomains) {
        refuse(kStubDomains, std::to_string(domains->size()) + " domains; at most " +
                                 std::to_string(kMaxStubDomains) + " are possible");
      }
      for (const auto& [name, servers] : *domains) {
        const std::string zone = zone_of(name);
        auto list = servers_of(kStubDomains, servers);
        if (list.empty()) refuse(kStubDomains, in_quotes(name) + " has no servers; name one");
        if (!config.stub_domains.emplace(zone, std::move(list)).second) {
          refuse(kStubDomains, in_quotes(name) + " is there twice; write it once");
        }
      }
    }
  }
  if (!upstreams.empty()) {
    const boost::json::value value = parsed(kUpstreams, upstreams);
    if (!value.is_null()) config.upstreams = servers_of(kUpstreams, value);
    if (config.upstreams.size() > kMaxKubeDnsUpstreams) {
      refuse(kUpstreams, std::to_string(config.upstreams.size()) + " servers; at most " +
                             std::to_string(kMaxKubeDnsUpstreams) + " are possible");
    }
    for (const std::string& server : config.upstreams) {
      if (!dns::parse_upstream(server, nullptr)->host.empty()) {
        refuse(kUpstreams, in_quotes(server) + " is no address; write one like 192.0.2.53");
      }
    }
  }
  return config;
}

KubeDnsConfig read_kube_dns_config(const std::filesystem::path& folder) {
  return parse_kube_dns_config(value_of(folder, kStubDomains), value_of(folder, kUpstreams));
}

}  // namespace clusterdns::app
