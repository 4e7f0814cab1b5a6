// Go templates (text/template), as far as CoreDNS's documentation uses them: `{{ .Name }}`,
// pipelines, if, with, range, break, continue, variables and functions. Parsed once, filled for
// each query.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/expr/expr.h"

namespace clusterdns::dns {

// What `.` is at the top: fields by name.
class TemplateData {
 public:
  virtual ~TemplateData() = default;
  // REQUIRES: `field` is one of those that the template was parsed with.
  [[nodiscard]] virtual ExprValue field(std::string_view field) const = 0;
  // What `.Meta "LABEL"` is.
  [[nodiscard]] virtual std::string metadata(std::string_view /*label*/) const { return {}; }
};

// A field of what `.` is at the top.
struct TemplateField {
  enum class Kind : std::uint8_t {
    Plain,   // a text, a number, an array: without fields of its own
    Map,     // with fields of any name
    Struct,  // with those of `members`, separated by blanks
  };
  std::string_view name;
  Kind kind = Kind::Plain;
  std::string_view members{};
};

class GoTemplate {
 public:
  // Octets of a template's text, and of what it makes.
  static constexpr std::size_t kMaxText = 10'000;
  static constexpr std::size_t kMaxOutput = 65'536;
  static constexpr std::size_t kMaxSteps = 10'000;

  // nullopt with what is wrong in `*error`: "there is no field .Nam (1:4)". `fields` are those that
  // `.` has; `Meta` among them is a function of a text.
  [[nodiscard]] static std::optional<GoTemplate> parse(std::string_view text,
                                                       std::span<const TemplateField> fields,
                                                       std::string* error);
  // nullopt: a function does not take what it is given, or it takes too much; `*error`, if there is
  // one, says which and why: "<index .Match 5> (1:4): the index 5 is beyond the end".
  [[nodiscard]] std::optional<std::string> fill(const TemplateData& data,
                                                std::string* error = nullptr) const;
  // As it was written.
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

  struct Node;

 private:
  GoTemplate() = default;
  std::string text_;
  std::shared_ptr<const Node> root_;
};

}  // namespace clusterdns::dns
