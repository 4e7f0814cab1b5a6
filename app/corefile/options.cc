#include "app/corefile/options.h"

#include <algorithm>
#include <vector>

namespace clusterdns::app {
namespace {

std::vector<std::string_view> names_of(std::span<const Option> options) {
  std::vector<std::string_view> names;
  for (const Option& option : options) {
    if (option.kind != Option::Kind::Later) names.push_back(option.name);
  }
  return names;
}

}  // namespace

std::string Option::usage() const {
  return std::string(name) + (arguments.empty() ? "" : " ") + std::string(arguments);
}

ArgumentCount count_arguments(std::string_view arguments) noexcept {
  constexpr std::string_view kMore = "…";
  ArgumentCount count;
  int depth = 0;
  while (!arguments.empty()) {
    const std::size_t end = std::min(arguments.find(' '), arguments.size());
    const std::string_view word = arguments.substr(0, end);
    arguments.remove_prefix(std::min(end + 1, arguments.size()));
    depth += static_cast<int>(std::count(word.begin(), word.end(), '['));
    if (depth == 0) ++count.least;
    if (word.find(kMore) != std::string_view::npos) {
      count.most = kAnyNumber;
    } else if (count.most != kAnyNumber) {
      ++count.most;
    }
    depth -= static_cast<int>(std::count(word.begin(), word.end(), ']'));
  }
  return count;
}

OptionPlaces read_option_lines(const Directive& directive, std::span<const Option> options,
                               Problems& problems, void* target) {
  OptionPlaces seen;
  for (const Directive& line : directive.block) {
    problems.attempt([&] {
      const auto found = std::find_if(options.begin(), options.end(), [&line](const Option& each) {
        return each.name == line.name.text;
      });
      if (found == options.end()) {
        fail_unknown_property(line, directive.name.text, names_of(options));
      }
      if (found->kind == Option::Kind::Later) fail_not_supported(line);
      const auto [first, fresh] = seen.emplace(found->name, line.name.at);
      if (found->once && !fresh) fail_repeated(line, first->second);
      const ArgumentCount count = count_arguments(found->arguments);
      require_arguments(line, count.least, count.most, found->usage());
      found->read(line, target);
      if (found->kind != Option::Kind::Block) require_no_block(line);
    });
  }
  return seen;
}

void refuse_option_names(std::span<const Token> words, std::span<const Option> options) {
  std::vector<std::string_view> names;
  for (const Option& option : options) names.push_back(option.name);
  refuse_option_names(words, names);
}

}  // namespace clusterdns::app
