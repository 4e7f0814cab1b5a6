#include "app/commands/listing.h"

#include <algorithm>
#include <set>
#include <stdexcept>

#include <spdlog/fmt/fmt.h>
#include <yaml-cpp/yaml.h>

#include "app/base/json.h"
#include "app/corefile/suggest.h"
#include "registry/shown_text.h"

namespace clusterdns::app {

std::string join_words(const std::vector<std::string>& words, std::size_t most) {
  std::string text;
  for (std::size_t i = 0; i < words.size() && i < most; ++i) text += (i == 0 ? "" : ",") + words[i];
  if (words.size() > most) text += fmt::format(",+{}", words.size() - most);
  return text.empty() ? "-" : text;
}

void print_columns(std::vector<std::vector<std::string>> lines, std::ostream& out) {
  for (auto& line : lines) {
    for (std::string& cell : line) cell = registry::printable(cell);
  }
  std::vector<std::size_t> width(lines.front().size());
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) width[i] = std::max(width[i], line[i].size());
  }
  for (const auto& line : lines) {
    std::string text;
    for (std::size_t i = 0; i < line.size(); ++i) {
      text += i + 1 == line.size() ? line[i] : fmt::format("{:<{}}  ", line[i], width[i]);
    }
    out << text << "\n";
  }
}

void require_namespace(std::string_view command, const std::string& name,
                       const Environment& environment) {
  constexpr std::size_t kShown = 20;
  std::set<std::string> names;
  for (const ClusterData& data : environment.clusters) {
    data.source->store().for_each<registry::Namespace>(
        [&](const registry::Namespace& each) { names.insert(each.name); });
  }
  if (names.contains(name)) return;
  const std::vector<std::string_view> known(names.begin(), names.end());
  std::string text = std::string(command) + ": there is no namespace '" + name + "'";
  if (const auto near = nearest_word(name, known)) {
    text += "; did you mean '" + std::string(*near) + "'?";
  }
  if (!names.empty()) {
    text += "; these exist: " + join_words({names.begin(), names.end()}, kShown);
  }
  throw std::runtime_error(text);
}

namespace {

void emit(YAML::Emitter& emitter, const boost::json::value& value) {
  if (const auto* const object = value.if_object()) {
    emitter << YAML::BeginMap;
    for (const auto& [name, member] : *object) {
      emitter << YAML::Key << std::string(name) << YAML::Value;
      emit(emitter, member);
    }
    emitter << YAML::EndMap;
  } else if (const auto* const array = value.if_array()) {
    emitter << YAML::BeginSeq;
    for (const auto& item : *array) emit(emitter, item);
    emitter << YAML::EndSeq;
  } else if (const auto* const text = value.if_string()) {
    emitter << std::string(*text);
  } else {
    emitter << json_line(value);
  }
}

}  // namespace

void print_values(const boost::json::array& values, OutputFormat format, std::ostream& out) {
  if (format == OutputFormat::Json) {
    out << json_page(values);
    return;
  }
  YAML::Emitter emitter;
  emit(emitter, values);
  out << emitter.c_str() << "\n";
}

}  // namespace clusterdns::app
