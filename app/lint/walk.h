// What each server block of a Corefile does with a name, told from its directives: for `check`.
//
// Read from the words alone: no file is opened and nobody is asked. REQUIRES of every function: the
// Corefile is good, that is, check_corefile() found no error in it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/ast.h"

namespace clusterdns::app {

// Zones of a server block that are told; more are left out, and counted. So are those of a block
// with more directives, and of more server blocks.
inline constexpr std::size_t kMaxWalks = 32;
inline constexpr std::size_t kMaxZonesTold = 256;
inline constexpr std::size_t kMaxDirectivesTold = 1000;
inline constexpr std::size_t kMaxBlocksTold = 256;

// What one directive does with the name.
struct WalkStep {
  std::string directive;
  std::string does;
  Position at;  // of the directive
  // Where its `fallthrough` stands, when the name would go on only by that; line 0: it does not.
  Position fallthrough{};
};

// The way of one name through its server block.
struct Walk {
  std::string zone;               // lower-case, with its trailing dot
  std::vector<std::string> also;  // zones whose names go the same way
  std::string name;               // an example of a name in it
  std::vector<WalkStep> steps;    // in the order in which a query meets them
  bool answered = false;          // false: what the steps leave is REFUSED
};

struct BlockWalk {
  Position at;
  std::string keys;  // as written: ".:53"
  std::string only;  // of `view`: the condition that queries must meet; empty: there is none
  std::vector<Walk> walks;
  std::size_t left_out = 0;
};

// In the order of the file. `dns_port` is the port of keys that name none.
[[nodiscard]] std::vector<BlockWalk> walk_blocks(const Corefile& corefile, std::uint16_t dns_port);

// The way of `name` through the block. The name is lower-case, with its trailing dot.
[[nodiscard]] Walk walk_of(const ServerBlock& block, const std::string& zone,
                           const std::string& name);

// ---- also for recipes.h ----

// Whether `name` is `zone` or below it; both lower-case, with their trailing dots.
[[nodiscard]] bool is_in_zone(std::string_view name, std::string_view zone) noexcept;
// A name that somebody may ask for in it.
[[nodiscard]] std::string example_of(const ServerBlock& block, const std::string& zone);
// The zones of a directive that answers for zones, normalised; empty: it has none of its own.
[[nodiscard]] std::vector<std::string> zones_of(const Directive& directive,
                                                const ServerBlock& block);
// Where a query for `name` that came to this block's listeners is answered: the block of the
// longest zone. nullptr: it is one of several, which `view` tells apart.
[[nodiscard]] const ServerBlock* block_of(const Corefile& corefile, const ServerBlock& block,
                                          std::string_view name, std::uint16_t dns_port);
// ".:53", or ".:53, example.org:53".
[[nodiscard]] std::string keys_of(const ServerBlock& block);

}  // namespace clusterdns::app
