// Reading a directive's words as numbers, durations, networks and so on.
//
// Every function throws ConfigError at the word it does not like, with what to write instead. The
// message names directive and option, because the word's position does (Position::subject).
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/ast.h"
#include "app/corefile/error.h"
#include "dns/query/expression.h"
#include "dns/wire/types.h"
#include "registry/ip_address.h"

namespace clusterdns::app {

inline constexpr std::size_t kAnyNumber = std::numeric_limits<std::size_t>::max();

// ---- shape of a line ----

// From `min` to `max` words after the name. `usage` is the line as it should be, for example
// "ttl SECONDS".
void require_arguments(const Directive& line, std::size_t min, std::size_t max,
                       std::string_view usage);
// Exactly one, which is returned.
[[nodiscard]] const Token& only_argument(const Directive& line, std::string_view usage);
// No `{ }` under the line.
void require_no_block(const Directive& line);
// Neither words nor a block.
void require_bare(const Directive& line);
// For the last `else` over the properties of a directive's block: names the nearest known one.
[[noreturn]] void fail_unknown_property(const Directive& property, std::string_view directive,
                                        std::span<const std::string_view> known);
// The same for a directive of a server block.
[[noreturn]] void fail_unknown_directive(const Directive& directive,
                                         std::span<const std::string_view> known);
// A property, or a directive, that may stand only once. `first` is where it was seen before.
[[noreturn]] void fail_repeated(const Directive& line, const Position& first);

// An option of CoreDNS that we do not have.
[[noreturn]] void fail_not_supported(const Directive& line);
// Words that stand where zones, names or files do, and are options of the directive: braces are
// missing then.
void refuse_option_names(std::span<const Token> words, std::span<const std::string_view> options);
// ConfigError at `at`, or at the word: "'word' why".
[[noreturn]] void fail(const Position& at, std::string message);
[[noreturn]] void fail(const Token& token, std::string_view why);

// ---- words ----

// Decimal, in [min, max].
[[nodiscard]] std::int64_t parse_integer(const Token& token, std::int64_t min, std::int64_t max);

// A port, 0 to 65535.
[[nodiscard]] std::uint16_t parse_port(const Token& token);

// What a duration without a unit means.
enum class BareDuration : std::uint8_t { Refused, Seconds };

// Go's form: numbers with a unit each, "300ms", "1.5h", "1m30s"; units ns, us, ms, s, m, h. "0"
// needs no unit. In [min, max]; nanoseconds, so at most some 292 years.
[[nodiscard]] std::chrono::nanoseconds parse_duration(
    const Token& token, BareDuration bare = BareDuration::Refused,
    std::chrono::nanoseconds min = std::chrono::nanoseconds::zero(),
    std::chrono::nanoseconds max = std::chrono::nanoseconds::max());

// A regular expression in Go's syntax, which may take up to `memory` octets.
[[nodiscard]] dns::Expression parse_expression(const Token& token,
                                               std::int64_t memory = dns::kMaxExpressionMemory);

// "AAAA", "TYPE65280"; letter case does not matter.
[[nodiscard]] dns::RRType parse_rrtype(const Token& token);
// IN, CH, HS, NONE or ANY; letter case does not matter.
[[nodiscard]] dns::RRClass parse_rrclass(const Token& token);
// "NXDOMAIN", or its number up to 23, as CoreDNS has them; letter case does not matter.
[[nodiscard]] std::uint16_t parse_rcode(const Token& token);

// One of `words`, as it stands there. Case matters, as it does in CoreDNS.
[[nodiscard]] std::string_view parse_choice(const Token& token,
                                            std::span<const std::string_view> words);

// A network, or one address, which is taken as /32 or /128.
[[nodiscard]] registry::Cidr parse_cidr(const Token& token);

[[nodiscard]] registry::IpAddress parse_ip(const Token& token);

// Zones as directives take them: "cluster.local", "10.0.0.0/12". Normalised; with none, the zones
// of the server block, which is what CoreDNS does.
[[nodiscard]] std::vector<std::string> parse_zones(std::span<const Token> tokens,
                                                   const ServerBlock& block);

// An address and a port in host byte order.
struct HostPort {
  registry::IpAddress address;
  std::uint16_t port = 0;

  // "127.0.0.1:53", "[::1]:53"
  [[nodiscard]] std::string to_string() const;
  friend bool operator==(const HostPort&, const HostPort&) = default;
};

// "ADDRESS", "ADDRESS:PORT", "[ADDRESS]", "[ADDRESS]:PORT"; IPv6 needs the brackets before a port.
// A leading "dns://" is dropped. Names are not looked up.
[[nodiscard]] HostPort parse_host_port(const Token& token, std::uint16_t default_port);

}  // namespace clusterdns::app
