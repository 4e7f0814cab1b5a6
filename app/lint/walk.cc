#include "app/lint/walk.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "app/corefile/arguments.h"
#include "app/corefile/zone_key.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kRoot = ".";

const Directive* find_option(const Directive& directive, std::string_view name) {
  const Directive* found = nullptr;
  for (const Directive& line : directive.block) {
    if (line.name.text == name) found = &line;  // the last one counts
  }
  return found;
}

std::string joined(const std::vector<Token>& words, std::size_t from = 0) {
  std::string text;
  for (std::size_t i = from; i < words.size(); ++i) {
    text += (text.empty() ? "" : " ") + words[i].text;
  }
  return text;
}

// Normalised; what is no zone is left out.
std::vector<std::string> zones_in(const std::vector<Token>& words, std::size_t from,
                                  const ServerBlock& block) {
  std::vector<Token> rest(words.begin() + static_cast<std::ptrdiff_t>(std::min(from, words.size())),
                          words.end());
  try {
    return parse_zones(rest, block);
  } catch (const ConfigError&) {
    return {};
  }
}

bool any_holds(const std::vector<std::string>& zones, std::string_view name) {
  return std::any_of(zones.begin(), zones.end(),
                     [name](const std::string& zone) { return is_in_zone(name, zone); });
}

// What becomes of a name that a directive has not.
struct Passing {
  bool on = false;
  Position at{};
};
Passing fallthrough_of(const Directive& directive, const ServerBlock& block,
                       std::string_view name) {
  const Directive* const line = find_option(directive, "fallthrough");
  if (line == nullptr) return {};
  if (!line->args.empty() && !any_holds(zones_in(line->args, 0, block), name)) return {};
  return {true, line->name.at};
}

// One directive's part of a walk.
struct Said {
  std::string does;
  bool ends = false;  // nothing behind it sees the name
  Position fallthrough{};
};

class Teller {
 public:
  Teller(const ServerBlock& block, std::string_view name) : block_(block), name_(name) {}

  [[nodiscard]] std::optional<Said> say(const Directive& d) const {
    const std::string_view what = d.name.text;
    if (what == "local" && is_localhost()) return Said{"answers with this machine itself", true};
    if (what == "acl") return held(d, "lets through, or not, by who asks");
    if (what == "rewrite") return Said{"may ask another question (" + rule(d) + ")"};
    if (what == "autopath") return held(d, "goes down the search list of whoever asks");
    if (what == "header") return Said{"sets and clears flags"};
    if (what == "dns64") return Said{"makes AAAA records of A records"};
    if (what == "any") return Said{"answers queries for ANY with one HINFO record"};
    if (what == "fault") return held(d, "answers wrong on purpose");
    if (what == "search") return Said{"completes short names"};
    if (what == "template") return say_template(d);
    if (what == "hosts") return say_hosts(d);
    if (what == "kubernetes") return owner(d, "answers for the cluster");
    if (what == "k8s_external") return owner(d, "answers for Services, as from outside");
    if (what == "gateways") return Said{"answers for hosts of gateways"};
    if (what == "file") return owner(d, "answers from " + first_word(d));
    if (what == "auto") return owner(d, "answers from the zone files of its folder");
    if (what == "secondary") return owner(d, "answers from zones of other servers");
    if (what == "etcd") return owner(d, "answers from keys of etcd");
    if (what == "synthetic" && any_holds(zones_of(d, block_), name_)) {
      return Said{"answers any name", true};
    }
    if (what == "cache") return held(d, "keeps what comes from behind it" + most(d));
    if (what == "forward" || what == "proxy") return say_forward(d);
    if (what == "erratic") return Said{"answers, late or not at all at times", true};
    if (what == "whoami") return Said{"answers with the client's address", true};
    return std::nullopt;
  }

 private:
  [[nodiscard]] bool is_localhost() const {
    return is_in_zone(name_, "localhost.") || is_in_zone(name_, "127.in-addr.arpa.") ||
           name_.starts_with("localhost.");
  }

  static std::string first_word(const Directive& d) {
    return d.args.empty() ? std::string("a zone file") : d.args.front().text;
  }

  static std::string rule(const Directive& d) {
    std::string text = joined(d.args);
    for (const Directive& line : d.block) {
      text += (text.empty() ? "" : " ") + line.name.text + " " + joined(line.args);
    }
    constexpr std::size_t kMost = 60;
    if (text.size() > kMost) text = text.substr(0, kMost) + "…";
    return text;
  }

  [[nodiscard]] std::optional<Said> held(const Directive& d, std::string does) const {
    if (!any_holds(zones_of(d, block_), name_)) return std::nullopt;
    return Said{std::move(does)};
  }

  // One that has whole zones: what is not in them is NXDOMAIN, or goes on.
  [[nodiscard]] std::optional<Said> owner(const Directive& d, std::string does) const {
    if (!any_holds(zones_of(d, block_), name_)) return std::nullopt;
    const Passing passing = fallthrough_of(d, block_, name_);
    if (passing.on) return Said{does + "; what is not there goes on", false, passing.at};
    return Said{does + "; what is not there is NXDOMAIN", true};
  }

  [[nodiscard]] std::optional<Said> say_hosts(const Directive& d) const {
    if (!any_holds(zones_of(d, block_), name_)) return std::nullopt;
    std::size_t lines = 0;
    for (const Directive& line : d.block) {
      lines += line.name.text.find_first_of(".:") != std::string::npos ? 1 : 0;
    }
    std::string does = "answers from " + (d.args.empty() ? "/etc/hosts" : d.args.front().text);
    if (lines != 0) {
      does += " and " + std::to_string(lines) + (lines == 1 ? " line here" : " lines here");
    }
    const Passing passing = fallthrough_of(d, block_, name_);
    if (passing.on) return Said{does + "; what is not there goes on", false, passing.at};
    return Said{does + "; what is not there is SERVFAIL", true};
  }

  [[nodiscard]] std::optional<Said> say_template(const Directive& d) const {
    if (!any_holds(zones_of(d, block_), name_)) return std::nullopt;
    const std::string kind = d.args.size() > 1 ? d.args[1].text : "ANY";
    const Directive* const rcode = find_option(d, "rcode");
    const bool matches = find_option(d, "match") != nullptr;
    std::string does =
        "answers " + (kind == "ANY" ? std::string("every query") : "queries for " + kind);
    if (rcode != nullptr && !rcode->args.empty()) does += " with " + rcode->args[0].text;
    if (matches) does += " if its expression matches";
    const Passing passing = fallthrough_of(d, block_, name_);
    if (passing.on) return Said{does + "; what does not match goes on", false, passing.at};
    if (matches) does += ", or SERVFAIL";
    return Said{does, kind == "ANY"};
  }

  static std::string most(const Directive& d) {
    if (!d.args.empty() && d.args[0].text.find_first_not_of("0123456789") == std::string::npos) {
      return ", for " + d.args[0].text + " s at most";
    }
    return "";
  }

  [[nodiscard]] std::optional<Said> say_forward(const Directive& d) const {
    if (d.args.size() < 2) return std::nullopt;
    if (!any_holds(zones_in({d.args[0]}, 0, block_), name_)) return std::nullopt;
    for (const Directive& line : d.block) {
      if (line.name.text == "except" && any_holds(zones_in(line.args, 0, block_), name_)) {
        return std::nullopt;
      }
    }
    std::string does = "asks " + joined(d.args, 1);
    const Directive* const next = find_option(d, "next");
    if (next == nullptr) return Said{std::move(does), true};
    return Said{does + "; " + joined(next->args) + " goes on"};
  }

  const ServerBlock& block_;
  const std::string_view name_;
};

bool tells_zones(std::string_view directive) {
  static constexpr std::string_view kOnes[] = {
      "forward",   "proxy",    "kubernetes", "hosts",        "file", "auto",
      "secondary", "template", "synthetic",  "k8s_external", "etcd"};
  return std::find(std::begin(kOnes), std::end(kOnes), directive) != std::end(kOnes);
}

bool same_way(const Walk& a, const Walk& b) {
  return a.answered == b.answered &&
         std::equal(
             a.steps.begin(), a.steps.end(), b.steps.begin(), b.steps.end(),
             [](const WalkStep& x, const WalkStep& y) { return x.at == y.at && x.does == y.does; });
}

// Labels, counted by dots: "." has none.
std::size_t depth(std::string_view zone) {
  return zone == kRoot ? 0 : static_cast<std::size_t>(std::count(zone.begin(), zone.end(), '.'));
}

// What a reverse zone begins with, to be whole.
std::string reverse_example(const std::string& zone) {
  constexpr std::size_t kOctets = 4, kShownNibbles = 3;
  const bool v4 = zone.ends_with("in-addr.arpa.");
  const std::size_t has = depth(zone) - 2;
  std::string name = "1.";
  if (v4) {
    for (std::size_t i = has + 1; i < kOctets; ++i) {
      name += has == 0 && i + 1 == kOctets ? "10." : "0.";
    }
    return has >= kOctets ? zone : name + zone;
  }
  for (std::size_t i = 0; i < kShownNibbles; ++i) name += "0.";
  return name + zone;
}

std::set<std::string> bound(const ServerBlock& block) {
  std::set<std::string> addresses;
  for (const Directive& d : block.directives) {
    if (d.name.text != "bind") continue;
    for (const Token& word : d.args) addresses.insert(word.text);
  }
  return addresses;
}

}  // namespace

bool is_in_zone(std::string_view name, std::string_view zone) noexcept {
  if (zone == kRoot || name == zone) return true;
  return name.size() > zone.size() && name.ends_with(zone) &&
         name[name.size() - zone.size() - 1] == '.';
}

std::string keys_of(const ServerBlock& block) {
  std::string text;
  for (const ZoneKey& key : block.keys) {
    text += text.empty() ? "" : ", ";
    if (key.scheme != "dns") text += key.scheme + "://";
    text += key.zone;
    if (key.port) text += ":" + std::to_string(*key.port);
  }
  return text;
}

std::vector<std::string> zones_of(const Directive& directive, const ServerBlock& block) {
  const std::string_view what = directive.name.text;
  std::vector<Token> words = directive.args;
  if (what == "forward" || what == "proxy") {
    if (words.empty()) return {};
    words.resize(1);
  } else if (what == "hosts" || what == "file") {
    if (!words.empty()) words.erase(words.begin());
  } else if (what == "template") {
    words.erase(words.begin(), words.begin() + std::min<std::ptrdiff_t>(
                                                   2, static_cast<std::ptrdiff_t>(words.size())));
  } else if (what == "autopath") {
    if (!words.empty()) words.pop_back();
  } else if (what == "cache") {
    if (!words.empty() && words[0].text.find_first_not_of("0123456789") == std::string::npos) {
      words.erase(words.begin());
    }
  }
  return zones_in(words, 0, block);
}

std::string example_of(const ServerBlock& block, const std::string& zone) {
  if (zone.ends_with(".arpa.") && is_reverse_zone(zone)) return reverse_example(zone);
  if (zone == kRoot) return "www.example.com.";
  for (const Directive& d : block.directives) {
    if (d.name.text != "kubernetes") continue;
    const auto zones = zones_of(d, block);
    if (std::find(zones.begin(), zones.end(), zone) != zones.end()) {
      return "web.default.svc." + zone;
    }
  }
  return "www." + zone;
}

const ServerBlock* block_of(const Corefile& corefile, const ServerBlock& block,
                            std::string_view name, std::uint16_t dns_port) {
  if (corefile.blocks.size() > kMaxBlocksTold) return &block;
  const auto own = bound(block);
  const ServerBlock* best = nullptr;
  std::size_t deepest = 0;
  for (const ServerBlock& other : corefile.blocks) {
    const bool by_view = std::any_of(other.directives.begin(), other.directives.end(),
                                     [](const Directive& d) { return d.name.text == "view"; });
    if (by_view && &other != &block) continue;
    // Only what has the same sockets for certain.
    if (bound(other) != own) continue;
    for (const ZoneKey& key : other.keys) {
      if (!is_in_zone(name, key.zone)) continue;
      const bool shared = std::any_of(block.keys.begin(), block.keys.end(), [&](const auto& mine) {
        return mine.scheme == key.scheme &&
               effective_port(mine, dns_port) == effective_port(key, dns_port);
      });
      if (!shared) continue;
      if (best == nullptr || depth(key.zone) > deepest) {
        best = &other;
        deepest = depth(key.zone);
      }
    }
  }
  return best;
}

Walk walk_of(const ServerBlock& block, const std::string& zone, const std::string& name) {
  Walk walk;
  walk.zone = zone;
  walk.name = name;
  const Teller teller(block, walk.name);
  for (const DirectiveSpec& spec : directives()) {
    for (const Directive& d : block.directives) {
      if (d.name.text != spec.name) continue;
      auto said = teller.say(d);
      if (!said) continue;
      walk.steps.push_back(
          {d.name.text, std::move(said->does), d.name.at, std::move(said->fallthrough)});
      if (said->ends) {
        walk.answered = true;
        return walk;
      }
    }
  }
  return walk;
}

std::vector<BlockWalk> walk_blocks(const Corefile& corefile, std::uint16_t dns_port) {
  std::vector<BlockWalk> all;
  for (const ServerBlock& block : corefile.blocks) {
    if (all.size() == kMaxBlocksTold) break;
    BlockWalk told{block.at, keys_of(block), {}, {}, 0};
    std::vector<std::string> zones;
    std::set<std::string> known;
    const auto add = [&](const std::string& zone) {
      if (!known.insert(zone).second) return;
      if (zones.size() < kMaxZonesTold) {
        zones.push_back(zone);
      } else {
        ++told.left_out;
      }
    };
    for (const Directive& d : block.directives) {
      if (d.name.text == "view") {
        for (const Directive& line : d.block) {
          told.only += (told.only.empty() ? "" : " and ") + joined(line.args);
        }
      }
      if (!tells_zones(d.name.text)) continue;
      for (const std::string& zone : zones_of(d, block)) {
        if (known.size() >= kMaxZonesTold) break;
        const bool ours = std::any_of(block.keys.begin(), block.keys.end(),
                                      [&](const auto& key) { return is_in_zone(zone, key.zone); });
        const bool whole = std::any_of(block.keys.begin(), block.keys.end(),
                                       [&](const auto& key) { return zone == key.zone; });
        if (whole || !ours) continue;  // the block's own come last
        if (block_of(corefile, block, zone, dns_port) == &block) add(zone);
      }
    }
    for (const ZoneKey& key : block.keys) add(key.zone);
    if (block.directives.size() > kMaxDirectivesTold) {
      told.left_out += zones.size();
      zones.clear();
    }
    for (const std::string& zone : zones) {
      Walk walk = walk_of(block, zone, example_of(block, zone));
      const auto same = std::find_if(told.walks.begin(), told.walks.end(),
                                     [&](const Walk& each) { return same_way(each, walk); });
      if (same != told.walks.end()) {
        same->also.push_back(zone);
      } else if (told.walks.size() == kMaxWalks) {
        ++told.left_out;
      } else {
        told.walks.push_back(std::move(walk));
      }
    }
    all.push_back(std::move(told));
  }
  return all;
}

}  // namespace clusterdns::app
