#include "app/admin/exposition.h"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace clusterdns::app {
namespace {

void append_escaped(std::string& to, std::string_view text, bool quotes) {
  for (const char c : text) {
    if (c == '\\') {
      to += "\\\\";
    } else if (c == '\n') {
      to += "\\n";
    } else if (c == '"' && quotes) {
      to += "\\\"";
    } else {
      to += c;
    }
  }
}

std::string labels_text(const Exposition::Labels& labels) {
  std::string text;
  for (const auto& [name, value] : labels) {
    if (!text.empty()) text += ',';
    text.append(name).append("=\"");
    append_escaped(text, value, true);
    text += '"';
  }
  return text;
}

void append_sample(std::string& to, std::string_view name, std::string_view labels, double value) {
  to += name;
  if (!labels.empty()) to.append("{").append(labels).append("}");
  to.append(" ").append(format_number(value)).append("\n");
}

}  // namespace

std::string format_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  if (value == 0) return "0";
  // Go turns to an exponent below 1e-4 and from 1e6 on.
  char buffer[64];
  auto end =
      std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string scientific(buffer, end);
  const std::size_t e = scientific.find('e');
  const int exponent = std::atoi(scientific.c_str() + e + 1);
  if (exponent < -4 || exponent >= 6) return scientific;
  end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
  return {buffer, end};
}

Exposition::Family& Exposition::family(std::string_view name, std::string_view help, Type type) {
  auto it = families_.find(name);
  if (it == families_.end()) {
    it = families_.emplace(std::string(name), Family{type, std::string(help), {}, {}}).first;
  }
  return it->second;
}

void Exposition::counter(std::string_view name, std::string_view help, const Labels& labels,
                         double value) {
  family(name, help, Type::Counter).series[labels_text(labels)].number += value;
}

void Exposition::gauge(std::string_view name, std::string_view help, const Labels& labels,
                       double value) {
  family(name, help, Type::Gauge).series[labels_text(labels)].number += value;
}

void Exposition::latest(std::string_view name, std::string_view help, const Labels& labels,
                        double time) {
  double& now = family(name, help, Type::Gauge).series[labels_text(labels)].number;
  now = std::max(now, time);
}

void Exposition::histogram(std::string_view name, std::string_view help, const Labels& labels,
                           std::span<const double> bounds, std::span<const std::uint64_t> counts,
                           double sum) {
  Family& f = family(name, help, Type::Histogram);
  if (f.bounds.empty()) f.bounds.assign(bounds.begin(), bounds.end());
  Value& value = f.series[labels_text(labels)];
  value.counts.resize(f.bounds.size() + 1);
  for (std::size_t i = 0; i < counts.size() && i < value.counts.size(); ++i) {
    value.counts[i] += counts[i];
  }
  value.number += sum;
}

void Exposition::add_totals(const Exposition& other) {
  for (const auto& [name, theirs] : other.families_) {
    if (theirs.type == Type::Gauge) continue;
    Family& mine = family(name, theirs.help, theirs.type);
    if (mine.bounds.empty()) mine.bounds = theirs.bounds;
    for (const auto& [labels, value] : theirs.series) {
      Value& sum = mine.series[labels];
      sum.number += value.number;
      if (sum.counts.size() < value.counts.size()) sum.counts.resize(value.counts.size());
      for (std::size_t i = 0; i < value.counts.size(); ++i) sum.counts[i] += value.counts[i];
    }
  }
}

std::string Exposition::text() const {
  static constexpr std::string_view kTypes[] = {"counter", "gauge", "histogram"};
  std::string text;
  for (const auto& [name, family] : families_) {
    text.append("# HELP ").append(name).append(" ");
    append_escaped(text, family.help, false);
    text.append("\n# TYPE ").append(name).append(" ");
    text.append(kTypes[static_cast<std::size_t>(family.type)]).append("\n");
    for (const auto& [labels, value] : family.series) {
      if (family.type != Type::Histogram) {
        append_sample(text, name, labels, value.number);
        continue;
      }
      std::uint64_t total = 0;
      for (std::size_t i = 0; i < value.counts.size(); ++i) {
        total += value.counts[i];
        const std::string bound =
            i < family.bounds.size() ? format_number(family.bounds[i]) : "+Inf";
        append_sample(text, name + "_bucket",
                      labels + (labels.empty() ? "" : ",") + "le=\"" + bound + "\"",
                      static_cast<double>(total));
      }
      append_sample(text, name + "_sum", labels, value.number);
      append_sample(text, name + "_count", labels, static_cast<double>(total));
    }
  }
  return text;
}

}  // namespace clusterdns::app
