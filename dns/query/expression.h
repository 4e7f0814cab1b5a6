// Regular expressions in Go's syntax, as Corefiles have them: matched by RE2, in time that grows
// with the text whatever the expression says.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace re2 {
class RE2;
}

namespace clusterdns::dns {

// Octets of an expression's text; CoreDNS's bound for its own.
inline constexpr std::size_t kMaxExpressionSize = 10'000;
// Octets that one expression may take for its program and for what matching learns of it. Text that
// repeats, such as `(x{1000}){1000}`, would need more and is refused.
inline constexpr std::int64_t kMaxExpressionMemory = std::int64_t{1} << 20;
// What the expressions of all rules of a kind in a server block may take together, unless each
// needs more than its share, and what it may take then.
inline constexpr std::int64_t kRulesMemory = std::int64_t{64} << 20;
inline constexpr std::int64_t kLeastExpressionMemory = std::int64_t{16} << 10;
// Groups that find() tells of; CoreDNS counts no further.
inline constexpr std::size_t kMaxGroups = 100;

// Immutable; copies share. matches() may be called from several threads at once: RE2 guards what it
// learns with a lock of its own, so this is not for answers from memory.
class Expression {
 public:
  // nullopt with the reason in `*error`, such as "missing closing ): (ab". Go's `(?<name>…)` is
  // taken beside RE2's `(?P<name>…)`. No expression of more than kMaxExpressionSize.
  // It may take up to `memory` octets.
  [[nodiscard]] static std::optional<Expression> compile(
      std::string_view text, std::string* error, std::int64_t memory = kMaxExpressionMemory);

  // Whether it occurs anywhere in `text`, as Go's MatchString. Never throws for what `text` says.
  [[nodiscard]] bool matches(std::string_view text) const;
  // The same as Go's FindStringSubmatch: `groups` becomes the leftmost match and what its groups
  // hold, as far as there is room; those that hold nothing, or do not exist, are empty. Parts of
  // `text`.
  [[nodiscard]] bool find(std::string_view text, std::span<std::string_view> groups) const noexcept;
  // As it is matched.
  [[nodiscard]] std::string text() const;
  // Without the match itself.
  [[nodiscard]] std::size_t group_count() const noexcept;
  // Of each group that has a name.
  [[nodiscard]] std::vector<std::pair<std::string, std::size_t>> group_names() const;

 private:
  explicit Expression(std::shared_ptr<const re2::RE2> program) : program_(std::move(program)) {}

  std::shared_ptr<const re2::RE2> program_;
};

}  // namespace clusterdns::dns
