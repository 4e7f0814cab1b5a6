// The options of a directive, each defined once: what reads them, the messages about them, `check`,
// `clusterdns directives` and the tables of docs/directives/ come from here.
//
//   constexpr Option kOptions[] = {
//       option<[](const Directive& line, Target& target) { … }>(
//           "servfail", "DURATION", "how long failures are kept", "5s"),
//   };
//   read_options(directive, kOptions, problems, target);
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "app/corefile/arguments.h"
#include "app/corefile/ast.h"
#include "app/corefile/problems.h"

namespace clusterdns::app {

struct Option {
  enum class Kind : std::uint8_t {
    Line,   // words
    Block,  // words, and lines of its own below it
    Later,  // CoreDNS's, and not supported yet: refused
  };

  std::string_view name;
  // The words behind the name, as in usage lines: "CAPACITY [TTL]", "ZONE…". Those in brackets may
  // be left out, "…" stands for more of the last one, "a|b" is one word. Empty: none.
  std::string_view arguments;
  std::string_view summary;             // what it does, without a full stop
  std::string_view default_value = {};  // what holds without the line; empty: nothing
  Kind kind = Kind::Line;
  // Given twice it is an error. Else the last line counts, or they add up, as in CoreDNS.
  bool once = false;
  // Reads one line, whose number of words is right, into what the directive fills; throws
  // ConfigError.
  void (*read)(const Directive& line, void* target) = nullptr;

  // "servfail DURATION"
  [[nodiscard]] std::string usage() const;
};

namespace internal {
template <typename Target>
Target target_of(void (*)(const Directive&, Target&));
}  // namespace internal

// `Read` is a captureless lambda or a function: void(const Directive& line, Target& target).
template <auto Read>
[[nodiscard]] consteval Option option(std::string_view name, std::string_view arguments,
                                      std::string_view summary, std::string_view default_value = {},
                                      Option::Kind kind = Option::Kind::Line, bool once = false) {
  using Target = decltype(internal::target_of(+Read));
  return {
      name, arguments, summary, default_value, kind, once, [](const Directive& line, void* target) {
        Read(line, *static_cast<Target*>(target));
      }};
}
// Taken, and without effect.
[[nodiscard]] consteval Option idle_option(std::string_view name, std::string_view arguments,
                                           std::string_view summary) {
  return {name, arguments, summary, {}, Option::Kind::Line, false, [](const Directive&, void*) {}};
}
[[nodiscard]] consteval Option later_option(std::string_view name) {
  return {name, {}, "not supported yet", {}, Option::Kind::Later, false, nullptr};
}

// How many words a line may have, from Option::arguments.
struct ArgumentCount {
  std::size_t least = 0;
  std::size_t most = 0;  // kAnyNumber: no limit
};
[[nodiscard]] ArgumentCount count_arguments(std::string_view arguments) noexcept;

// Where options stand first, by name.
using OptionPlaces = std::map<std::string_view, Position>;

// Reads the lines of the directive's block. What is wrong with one of them goes to `problems`, and
// the next is read. REQUIRES: `target` is what the options' functions take.
OptionPlaces read_option_lines(const Directive& directive, std::span<const Option> options,
                               Problems& problems, void* target);
template <typename Target>
OptionPlaces read_options(const Directive& directive, std::span<const Option> options,
                          Problems& problems, Target& target) {
  return read_option_lines(directive, options, problems, &target);
}
// Of a directive whose options are read for their shape only.
inline OptionPlaces read_options(const Directive& directive, std::span<const Option> options,
                                 Problems& problems) {
  return read_option_lines(directive, options, problems, nullptr);
}

// Words that stand where zones, names or files do, and are options of the directive: braces are
// missing then.
void refuse_option_names(std::span<const Token> words, std::span<const Option> options);

}  // namespace clusterdns::app
