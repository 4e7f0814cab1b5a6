// What `rewrite` says of names: how they look, what becomes of them. Names are text with the final
// dot, in lower case, as CoreDNS's rules see them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/query/expression.h"
#include "dns/wire/name_text.h"

namespace clusterdns::dns {

enum class NameMatch : std::uint8_t { Exact, Prefix, Suffix, Substring, Regex };

// Text with places for the groups of an expression: "{1}.service.{2}.consul.".
class GroupTemplate {
 public:
  GroupTemplate() = default;
  // `{N}` is a place when an expression with `group_count` groups has it, and text as it stands
  // else.
  GroupTemplate(std::string_view text, std::size_t group_count);

  // False when the result is longer than a name's text can be.
  [[nodiscard]] bool fill(std::span<const std::string_view> groups, NameText& to) const noexcept;
  // How many different groups it has places for.
  [[nodiscard]] std::size_t groups_used() const noexcept { return groups_used_; }

 private:
  static constexpr std::size_t kText = static_cast<std::size_t>(-1);
  struct Part {
    std::string text;
    std::size_t group = kText;
  };
  std::vector<Part> parts_;
  std::size_t groups_used_ = 0;
};

// What became of a name that a rule was tried on.
enum class NameChange : std::uint8_t {
  None,     // it does not look like that
  Changed,  // to what `to` says
  TooLong,  // it looks like that, and what comes of it is too long
};

// One way to change names. Immutable.
class NameRule {
 public:
  // For all but Regex: `from` and `to` in lower case, as they are compared.
  NameRule(NameMatch match, std::string from, std::string to);
  // Regex; `to` may have places for groups.
  NameRule(Expression from, std::string_view to);

  [[nodiscard]] bool matches(std::string_view name) const noexcept;
  // `to` becomes what `name` is changed to.
  [[nodiscard]] NameChange change(std::string_view name, NameText& to) const noexcept;

  [[nodiscard]] NameMatch match() const noexcept { return match_; }
  // Empty for Regex.
  [[nodiscard]] const std::string& from() const noexcept { return from_; }
  [[nodiscard]] const std::string& to() const noexcept { return to_; }
  // The other way round. REQUIRES: Suffix.
  [[nodiscard]] NameRule reversed() const { return {match_, to_, from_}; }

 private:
  NameMatch match_;
  std::string from_;
  std::string to_;
  std::optional<Expression> expression_;
  GroupTemplate template_;
};

// Which of many rules may match a name, without trying each: those with fixed text at an end are
// found by hashes, one for each length that occurs. The others are tried always.
class RuleIndex {
 public:
  // Fewer are tried one by one.
  static constexpr std::size_t kFew = 8;

  // In the order of the rules. nullptr: no name decides about that one.
  void add(const NameRule* rule);

  // The rules that may match `name`, in their order, from number `first` on.
  class Walk {
   public:
    Walk(const RuleIndex& index, std::string_view name, std::size_t first) noexcept;
    // RuleIndex::kNone: no more.
    [[nodiscard]] std::size_t next() noexcept;

   private:
    static constexpr std::size_t kMaxLists = 24;
    const RuleIndex& index_;
    std::size_t next_;  // of all, while each is tried
    bool each_;
    std::size_t list_count_ = 0;
    std::span<const std::uint32_t> lists_[kMaxLists];
  };
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

 private:
  // Texts of one length, sorted, each with the rules that have it.
  struct Length {
    std::size_t size = 0;
    std::vector<std::pair<std::string, std::vector<std::uint32_t>>> entries;
    // Open addressing over indexes + 1 of entries, at most half full.
    std::vector<std::uint32_t> slots;
    void add(std::string_view text, std::uint32_t rule);
    [[nodiscard]] std::span<const std::uint32_t> find(std::string_view text) const noexcept;
    [[nodiscard]] std::size_t slot_of(std::string_view text) const noexcept;
  };
  static Length& of_size(std::vector<Length>& lengths, std::size_t size);

  std::size_t count_ = 0;
  std::vector<Length> exact_;
  std::vector<Length> prefix_;
  std::vector<Length> suffix_;
  std::vector<std::uint32_t> others_;
};

}  // namespace clusterdns::dns
