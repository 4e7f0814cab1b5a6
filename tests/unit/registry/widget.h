// A kind of objects that only tests have: what a kind needs, in one place.
#pragma once

#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "registry/kind.h"
#include "registry/manifests/field_reader.h"
#include "registry/manifests/object_reader.h"

namespace clusterdns::registry::testing_support {

enum class WidgetColour : std::uint8_t { Red, Blue };

}  // namespace clusterdns::registry::testing_support

template <>
inline constexpr clusterdns::registry::testing_support::WidgetColour
    clusterdns::registry::kLastOf<clusterdns::registry::testing_support::WidgetColour> =
        clusterdns::registry::testing_support::WidgetColour::Blue;

namespace clusterdns::registry::testing_support {

struct WidgetPart {
  std::string name;
  std::uint16_t size = 0;
  friend bool operator==(const WidgetPart&, const WidgetPart&) = default;
  static auto members(auto& self) { return std::tie(self.name, self.size); }
};

struct Widget {
  static const Kind kRow;
  ObjectKey key;
  std::vector<std::string> hosts;
  std::vector<WidgetPart> parts;
  Labels labels;
  std::optional<IpAddress> address;
  WidgetColour colour = WidgetColour::Red;
  bool shiny = false;
  friend bool operator==(const Widget&, const Widget&) = default;
  static auto members(auto& self) {
    return std::tie(self.key, self.hosts, self.parts, self.labels, self.address, self.colour,
                    self.shiny);
  }
};

inline Widget read_widget(const Field& object) {
  Widget widget;
  widget.key = read_object_key(object);
  widget.labels = object["metadata"]["labels"].labels();
  const Field spec = object["spec"];
  for (const Field& host : spec["hosts"].elements()) {
    if (auto text = host.text()) widget.hosts.push_back(std::move(*text));
  }
  for (const Field& part : spec["parts"].elements()) {
    widget.parts.push_back({part["name"].text_or(""), part["size"].port().value_or(0)});
  }
  widget.address = spec["address"].ip();
  widget.shiny = spec["shiny"].boolean_or(false);
  if (spec["colour"].text_or("red") == "blue") widget.colour = WidgetColour::Blue;
  return widget;
}

inline constinit const Kind Widget::kRow = make_kind<read_widget>(
    {"Widget", "widgets.example.com", "widgets", {"v1", "v1beta1", "v1alpha1"}});

// Another group's kind of the same name.
struct OtherWidget {
  static const Kind kRow;
  ObjectKey key;
  friend bool operator==(const OtherWidget&, const OtherWidget&) = default;
  static auto members(auto& self) { return std::tie(self.key); }
};

inline OtherWidget read_other_widget(const Field& object) { return {read_object_key(object)}; }

inline constinit const Kind OtherWidget::kRow =
    make_kind<read_other_widget>({"Widget", "other.example.com", "widgets", {"v1"}});

}  // namespace clusterdns::registry::testing_support
