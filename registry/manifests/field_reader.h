// Typed access to the fields of an object, gathering errors instead of stopping at the first.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "registry/ip_address.h"
#include "registry/manifests/node_tree.h"
#include "registry/model.h"

namespace clusterdns::registry {

// Errors, and warnings, of one object that are kept; further ones say nothing new.
inline constexpr std::size_t kMaxFindings = 20;
// Unknown fields in one place that are compared with those that are known: a person mistypes a few,
// and each comparison costs about as much as reading a hundred fields.
inline constexpr std::size_t kMaxUnknownFields = 64;

struct Findings {
  std::vector<YamlError> errors;
  std::vector<YamlError> warnings;
};

// The fields that the API server knows in one place of an object.
struct FieldNames {
  std::span<const std::string_view> read;  // those that names depend on
  std::span<const std::string_view> others;
};

// A place in an object (`spec.ports[0]`) and what has been found in the object so far. Copies share
// the findings. A field that is absent or null is no error: the API server drops nulls before it
// fills in defaults. Neither is an empty string, which is what Go's programs write for a text that
// is not set. A field of the wrong type is one, and reads as absent.
class Field {
 public:
  // `findings` must outlive this and every field derived from it. `node` may be null: absent.
  Field(const YamlNode* node, YamlMark parent, std::string path, Findings& findings)
      : node_(node),
        mark_(node ? node->mark : parent),
        path_(std::move(path)),
        findings_(&findings) {}

  [[nodiscard]] bool present() const noexcept { return node_ != nullptr; }
  // Present, and neither null nor an empty string.
  [[nodiscard]] bool is_set() const noexcept {
    return node_ != nullptr && !node_->is_null() && !(node_->is_scalar() && node_->text.empty());
  }
  [[nodiscard]] YamlMark mark() const noexcept { return mark_; }
  // nullptr when it is absent.
  [[nodiscard]] const YamlNode* node() const noexcept { return node_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // A member; absent when this is. An error when this is not a map.
  [[nodiscard]] Field operator[](std::string_view name) const;
  // All members, in their order; an error when this is not a map.
  [[nodiscard]] std::vector<std::pair<std::string, Field>> members() const;
  // Elements; an error when this is not a sequence.
  [[nodiscard]] std::vector<Field> elements() const;
  // Warns of members that the API server does not know and whose names are near to one that is
  // read: it would refuse them, or leave them out without a word. Returns this.
  const Field& only(const FieldNames& known) const;

  // nullopt when it is not set.
  [[nodiscard]] std::optional<std::string> text() const;
  [[nodiscard]] std::string text_or(std::string_view fallback) const;
  [[nodiscard]] std::optional<std::int64_t> integer() const;
  [[nodiscard]] bool boolean_or(bool fallback) const;
  [[nodiscard]] std::optional<IpAddress> ip() const;
  // 1 to 65535.
  [[nodiscard]] std::optional<std::uint16_t> port() const;
  // TCP when absent.
  [[nodiscard]] Protocol protocol() const;
  // A map of label keys and values.
  [[nodiscard]] Labels labels() const;
  // Number or text as it stands; `is_number` tells which the API server would see. nullopt when it
  // is not set.
  [[nodiscard]] std::optional<std::string> scalar(bool& is_number) const;

  // Text that `rule` holds for; otherwise the error "path: 'x' is not <sentence>". nullopt also
  // when it is not set.
  [[nodiscard]] std::optional<std::string> text_that(bool (*rule)(std::string_view) noexcept,
                                                     std::string_view sentence) const;

  // Adds an error, or a warning, at this field.
  void error(std::string_view what) const;
  void warn(std::string_view what) const;

 private:
  [[nodiscard]] bool expect(bool right_kind, std::string_view what) const;
  void add(std::vector<YamlError>& to, std::string_view what) const;

  const YamlNode* node_;
  YamlMark mark_;
  std::string path_;
  Findings* findings_;
};

}  // namespace clusterdns::registry
