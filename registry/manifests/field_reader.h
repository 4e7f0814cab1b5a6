// Typed access to the fields of a YAML object, gathering errors instead of stopping at the first.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "registry/ip_address.h"
#include "registry/manifests/yaml_documents.h"
#include "registry/model.h"

namespace clusterdns::registry {

// A place in an object (`spec.ports[0]`) and the errors found in the object so far. Copies share
// the error list. A field that is absent or null is no error: the API server drops nulls before it
// fills in defaults. A field of the wrong type is one, and reads as absent.
class Field {
 public:
  // `errors` must outlive this and every field derived from it. `node` may be null: absent.
  Field(const YamlNode* node, YamlMark parent, std::string path, std::vector<YamlError>& errors)
      : node_(node), mark_(node ? node->mark : parent), path_(std::move(path)), errors_(&errors) {}

  [[nodiscard]] bool present() const noexcept { return node_ != nullptr; }
  [[nodiscard]] YamlMark mark() const noexcept { return mark_; }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  // A member; absent when this is. An error when this is no map.
  [[nodiscard]] Field operator[](std::string_view name) const;
  // Elements; an error when this is no sequence.
  [[nodiscard]] std::vector<Field> elements() const;

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
  // Number or text as it stands; `is_number` tells which the API server would see.
  [[nodiscard]] std::optional<std::string> scalar(bool& is_number) const;

  // Text that `rule` holds for; otherwise the error "path: 'x' is not <sentence>".
  [[nodiscard]] std::optional<std::string> text_that(bool (*rule)(std::string_view) noexcept,
                                                     std::string_view sentence) const;

  // Adds an error at this field.
  void error(std::string_view what) const;

 private:
  [[nodiscard]] bool expect(bool right_kind, std::string_view what) const;

  const YamlNode* node_;
  YamlMark mark_;
  std::string path_;
  std::vector<YamlError>* errors_;
};

}  // namespace clusterdns::registry
