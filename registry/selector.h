// Label selectors: the equality map of a Service, and the set-based language of the API.
#pragma once

#include <boost/system/result.hpp>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "registry/model.h"

namespace clusterdns::registry {

// Sorts by key; of equal keys the last one stays, as in a YAML map read by the API server.
void normalize(Labels& labels);

// nullptr when `labels` has no such key. `labels` must be sorted.
[[nodiscard]] const std::string* find_label(const Labels& labels, std::string_view key);
const std::string* find_label(Labels&& labels, std::string_view key) = delete;  // would dangle

// True when every pair of `selector` is in `labels`. Both sorted. An empty selector matches all;
// that an empty selector of a Service means "none" is for the caller to know.
[[nodiscard]] bool matches(const Labels& selector, const Labels& labels);

struct SelectorError {
  std::string what;        // what is wrong and what was expected
  std::size_t offset = 0;  // into the text parsed, octets
};

// A conjunction of requirements on labels. Immutable once built; safe to read from any thread.
class LabelSelector {
 public:
  enum class Operator : std::uint8_t { In, NotIn, Exists, DoesNotExist };

  struct Requirement {
    std::string key;
    Operator op = Operator::Exists;
    std::vector<std::string> values;  // In and NotIn only; sorted
    friend bool operator==(const Requirement&, const Requirement&) = default;
  };

  // Matches everything.
  LabelSelector() = default;

  // The text form of the API's labelSelector parameter (and of CoreDNS's `labels` and
  // `namespace_labels`): requirements joined by ',', each one of
  //   key   !key   key=value   key==value   key!=value   key in (a,b)   key notin (a,b)
  // White space between tokens does not matter. Empty text matches everything.
  [[nodiscard]] static boost::system::result<LabelSelector, SelectorError> parse(
      std::string_view text);

  // Adds one requirement; it is how matchLabels and matchExpressions become a selector. The caller
  // has checked key and values.
  void require(std::string key, Operator op, std::vector<std::string> values = {});

  // `labels` must be sorted. NotIn and DoesNotExist also match when the key is absent.
  [[nodiscard]] bool matches(const Labels& labels) const;

  [[nodiscard]] bool empty() const noexcept { return requirements_.empty(); }
  [[nodiscard]] const std::vector<Requirement>& requirements() const noexcept {
    return requirements_;
  }
  // Text that parses to an equal selector.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;

 private:
  std::vector<Requirement> requirements_;
};

}  // namespace clusterdns::registry
