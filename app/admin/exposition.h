// Prometheus's text format 0.0.4, written as client_golang writes it: families by name, series by
// labels, numbers in Go's shortest form.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clusterdns::app {

// A set of samples. What is added twice under the same name and labels is summed up, unless it says
// otherwise.
class Exposition {
 public:
  using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

  void counter(std::string_view name, std::string_view help, const Labels& labels, double value);
  void gauge(std::string_view name, std::string_view help, const Labels& labels, double value);
  // Of a moment in time: the latest counts, and is not a sum.
  void latest(std::string_view name, std::string_view help, const Labels& labels, double time);
  // `counts` has one element more than `bounds`, for what is beyond the last; they do not
  // accumulate.
  void histogram(std::string_view name, std::string_view help, const Labels& labels,
                 std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum);

  // Adds the counters and histograms of `other`, which lives on in this one; gauges are of the
  // moment and left out.
  void add_totals(const Exposition& other);

  [[nodiscard]] std::string text() const;

 private:
  enum class Type : std::uint8_t { Counter, Gauge, Histogram };
  struct Value {
    double number = 0;  // of a histogram: the sum
    std::vector<std::uint64_t> counts;
  };
  struct Family {
    Type type{};
    std::string help;
    std::vector<double> bounds;
    std::map<std::string, Value> series;  // by labels as text, without braces
  };

  Family& family(std::string_view name, std::string_view help, Type type);

  std::map<std::string, Family, std::less<>> families_;
};

// As Go's strconv.FormatFloat(value, 'g', -1, 64).
[[nodiscard]] std::string format_number(double value);

}  // namespace clusterdns::app
