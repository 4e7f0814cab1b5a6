#include "app/lint/recipes.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/error.h"
#include "app/corefile/zone_key.h"
#include "app/lint/walk.h"
#include "registry/ip_address.h"

namespace clusterdns::app {
namespace {

// What a Service that has just been made may stay unknown for.
constexpr long kLongDenial = 30;

const Directive* option_of(const Directive& directive, std::string_view name) {
  for (const Directive& line : directive.block) {
    if (line.name.text == name) return &line;
  }
  return nullptr;
}

bool has(const ServerBlock& block, std::string_view name) {
  return std::any_of(block.directives.begin(), block.directives.end(),
                     [name](const Directive& d) { return d.name.text == name; });
}

// Seconds as `cache` has them; 0 when it is none.
long seconds(const Token& word) {
  constexpr std::size_t kMostDigits = 9;
  if (word.text.empty() || word.text.size() > kMostDigits ||
      word.text.find_first_not_of("0123456789") != std::string::npos) {
    return 0;
  }
  return std::stol(word.text);
}

// ---- template IN AAAA … { rcode NXDOMAIN } ----

bool says_nxdomain(const Directive& d) {
  const Directive* const rcode = option_of(d, "rcode");
  return rcode != nullptr && !rcode->args.empty() &&
         (rcode->args[0].text == "NXDOMAIN" || rcode->args[0].text == "3");
}

void find_wrong_nxdomain(const ServerBlock& block, Problems& problems) {
  std::vector<const Directive*> negative;
  for (const Directive& d : block.directives) {
    if (negative.size() == kMaxZonesTold) break;
    if (d.name.text == "template" && d.args.size() >= 2 && says_nxdomain(d)) negative.push_back(&d);
  }
  for (const Directive* const d : negative) {
    const std::string& type = d->args[1].text;
    if (type == "ANY") continue;
    // Somebody who means the name says it for both kinds of addresses.
    const bool whole = std::any_of(negative.begin(), negative.end(), [&](const Directive* other) {
      return zones_of(*other, block) == zones_of(*d, block) && other->args[1].text != type &&
             (other->args[1].text == "ANY" || other->args[1].text == "A" ||
              other->args[1].text == "AAAA");
    });
    if (whole) continue;
    problems.warn(option_of(*d, "rcode")->args[0].at,
                  "NXDOMAIN says that the name does not exist at all, and resolvers that hear it "
                  "do not ask for its other types; for \"no " +
                      type + " record\" write `rcode NOERROR`");
  }
}

// ---- negative answers about the cluster ----

bool is_cluster_zone(const std::string& zone) {
  return is_in_zone(zone, "cluster.local.") || is_in_zone(zone, "clusterset.local.") ||
         zone.starts_with("svc.");
}

void find_long_denial(const ServerBlock& block, Problems& problems) {
  const bool forwards_the_cluster =
      std::any_of(block.keys.begin(), block.keys.end(),
                  [](const ZoneKey& key) { return is_cluster_zone(key.zone); }) &&
      !has(block, "kubernetes");
  if (!forwards_the_cluster) return;
  for (const Directive& d : block.directives) {
    if (d.name.text != "cache") continue;
    // denial CAPACITY [TTL] [MINTTL]; the TTL is only a limit to what the SOA record says.
    const Directive* const denial = option_of(d, "denial");
    if (denial == nullptr || denial->args.size() < 3) continue;
    const Token& least = denial->args[2];
    if (seconds(least) <= kLongDenial) continue;
    problems.warn(least.at, "a Service that is asked for before it is there stays unknown for " +
                                least.text + " s; write `denial 9984 5` for the cluster's zone");
  }
}

// ---- fallthrough that leads nowhere ----

void find_dead_ends(const BlockWalk& told, Problems& problems) {
  for (const Walk& walk : told.walks) {
    if (walk.answered || walk.steps.empty()) continue;
    // The last one: what stands before it goes on to somebody.
    const auto last = std::find_if(walk.steps.rbegin(), walk.steps.rend(),
                                   [](const WalkStep& step) { return step.fallthrough.line != 0; });
    if (last == walk.steps.rend()) continue;
    problems.warn(last->fallthrough, "leads nowhere: nothing behind `" + last->directive +
                                         "` answers names like " + in_quotes(walk.name) +
                                         ", which are REFUSED; add `forward`, or remove it");
  }
}

// ---- zones that no query can have here ----

bool has_zones(std::string_view directive) {
  static constexpr std::string_view kOnes[] = {"forward",   "proxy",        "kubernetes", "file",
                                               "secondary", "k8s_external", "etcd"};
  return std::find(std::begin(kOnes), std::end(kOnes), directive) != std::end(kOnes);
}

void find_unreachable_zones(const Corefile& corefile, const ServerBlock& block,
                            std::uint16_t dns_port, Problems& problems) {
  std::size_t seen = 0;
  for (const Directive& d : block.directives) {
    if (!has_zones(d.name.text)) continue;
    for (const std::string& zone : zones_of(d, block)) {
      if (++seen > kMaxZonesTold) return;
      const bool reaches = std::any_of(block.keys.begin(), block.keys.end(), [&](const auto& key) {
        return is_in_zone(zone, key.zone) || is_in_zone(key.zone, zone);
      });
      if (!reaches) {
        // A cluster's reverse zones are written beside it everywhere.
        if (is_reverse_zone(zone)) continue;
        problems.warn(d.name.at, "no query for " + in_quotes(zone) +
                                     " comes here: this block is for " + in_quotes(keys_of(block)) +
                                     "; add the zone before its '{', or remove it here");
        continue;
      }
      const bool below = std::any_of(block.keys.begin(), block.keys.end(),
                                     [&](const auto& key) { return is_in_zone(zone, key.zone); });
      if (!below) continue;
      const ServerBlock* const taker = block_of(corefile, block, zone, dns_port);
      if (taker == nullptr || taker == &block) continue;
      problems.warn(d.name.at, "no query for " + in_quotes(zone) +
                                   " comes here: the server block " + in_quotes(keys_of(*taker)) +
                                   " at " + to_string(taker->at) +
                                   " has the longer zone; move this there, or remove it");
    }
  }
}

// ---- a forward that stands behind one for a shorter zone ----

void find_forwards_never_asked(const ServerBlock& block, Problems& problems) {
  std::vector<std::pair<const Directive*, std::string>> before;
  for (const Directive& d : block.directives) {
    if (d.name.text != "forward" || d.args.empty()) continue;
    const std::vector<std::string> zones = zones_of(d, block);
    if (zones.empty() || before.size() == kMaxZonesTold) return;
    const std::string& zone = zones.front();
    for (const auto& [other, above] : before) {
      const Directive* const except = option_of(*other, "except");
      const bool excepted =
          except != nullptr && std::ranges::any_of(except->args, [&](const Token& word) {
            return is_in_zone(zone, word.text.ends_with('.') ? word.text : word.text + ".");
          });
      // These hand some questions on to the next.
      const bool passes_on =
          option_of(*other, "next") != nullptr || option_of(*other, "clients") != nullptr;
      if (excepted || passes_on || zone == above || !is_in_zone(zone, above)) continue;
      problems.warn(d.name.at, "is never asked for " + in_quotes(zone) + ": the `forward` at " +
                                   to_string(other->name.at) + " stands before it and takes " +
                                   in_quotes(above) + "; put the one for the longer zone first");
      break;
    }
    before.emplace_back(&d, zone);
  }
}

// ---- forwarding for everybody ----

void find_open_resolver(const ServerBlock& block, Problems& problems) {
  if (has(block, "acl") || has(block, "view")) return;
  bool bound = false, here_only = true;
  for (const Directive& d : block.directives) {
    if (d.name.text != "bind") continue;
    for (const Token& word : d.args) {
      bound = true;
      here_only = here_only && (word.text.starts_with("127.") || word.text == "::1" ||
                                word.text == "lo" || word.text == "localhost");
    }
  }
  if (bound && here_only) return;
  for (const Directive& d : block.directives) {
    if (d.name.text != "forward") continue;
    for (const Directive& line : d.block) {
      if (line.name.text != "clients") continue;
      for (const Token& word : line.args) {
        if (!word.text.ends_with("/0")) continue;
        problems.warn(word.at,
                      "forwards for everybody who can reach this server, also with a forged "
                      "address; name the clients' ranges, or write `acl`");
      }
    }
  }
}

}  // namespace

void find_recipes(const Corefile& corefile, std::uint16_t dns_port, Problems& problems) {
  const std::vector<BlockWalk> told = walk_blocks(corefile, dns_port);
  for (std::size_t i = 0; i < told.size(); ++i) {
    const ServerBlock& block = corefile.blocks[i];
    find_wrong_nxdomain(block, problems);
    find_long_denial(block, problems);
    find_dead_ends(told[i], problems);
    find_unreachable_zones(corefile, block, dns_port, problems);
    find_forwards_never_asked(block, problems);
    find_open_resolver(block, problems);
  }
}

}  // namespace clusterdns::app
