#include "app/admin/exposition.h"

#include <gtest/gtest.h>

#include <limits>

#include "app/base/go_duration.h"

namespace clusterdns::app {
namespace {

TEST(FormatNumber, IsGos) {
  EXPECT_EQ(format_number(0), "0");
  EXPECT_EQ(format_number(1), "1");
  EXPECT_EQ(format_number(0.00025), "0.00025");
  EXPECT_EQ(format_number(8.192), "8.192");
  EXPECT_EQ(format_number(64000), "64000");
  EXPECT_EQ(format_number(123456), "123456");
  EXPECT_EQ(format_number(1e6), "1e+06");
  EXPECT_EQ(format_number(1234567), "1.234567e+06");
  EXPECT_EQ(format_number(1763999999.25), "1.76399999925e+09");
  EXPECT_EQ(format_number(0.00005), "5e-05");
  EXPECT_EQ(format_number(18446744073709551615.0), "1.8446744073709552e+19");
  EXPECT_EQ(format_number(-1.5), "-1.5");
  EXPECT_EQ(format_number(std::numeric_limits<double>::infinity()), "+Inf");
}

TEST(GoDuration, IsGos) {
  using namespace std::chrono_literals;
  EXPECT_EQ(go_duration(0s), "0s");
  EXPECT_EQ(go_duration(5s), "5s");
  EXPECT_EQ(go_duration(60s), "1m0s");
  EXPECT_EQ(go_duration(90min), "1h30m0s");
  EXPECT_EQ(go_duration(1500ms), "1.5s");
  EXPECT_EQ(go_duration(250ms), "250ms");
  EXPECT_EQ(go_duration(1500us), "1.5ms");
  EXPECT_EQ(go_duration(1500ns), "1.5µs");
  EXPECT_EQ(go_duration(7ns), "7ns");
  EXPECT_EQ(go_duration(-5s), "-5s");
}

TEST(Exposition, WritesFamiliesByNameAndSeriesByLabels) {
  Exposition out;
  out.gauge("b", "second", {}, 2);
  out.counter("a_total", "first\nwith \\", {{"x", "2"}}, 1);
  out.counter("a_total", "first\nwith \\", {{"x", "1\"\\\n"}}, 1);
  out.counter("a_total", "first\nwith \\", {{"x", "2"}}, 4);
  EXPECT_EQ(out.text(),
            "# HELP a_total first\\nwith \\\\\n# TYPE a_total counter\n"
            "a_total{x=\"1\\\"\\\\\\n\"} 1\na_total{x=\"2\"} 5\n"
            "# HELP b second\n# TYPE b gauge\nb 2\n");
}

TEST(Exposition, TimesAreNoSums) {
  Exposition out;
  out.latest("t", "help", {}, 0);
  out.latest("t", "help", {}, 7);
  out.latest("t", "help", {}, 5);
  EXPECT_EQ(out.text(), "# HELP t help\n# TYPE t gauge\nt 7\n");
}

TEST(Exposition, HistogramsAccumulate) {
  Exposition out;
  const double bounds[] = {0.5, 1};
  const std::uint64_t counts[] = {1, 2, 3};
  out.histogram("h", "help", {{"l", "v"}}, bounds, counts, 7.5);
  EXPECT_EQ(out.text(),
            "# HELP h help\n# TYPE h histogram\nh_bucket{l=\"v\",le=\"0.5\"} 1\n"
            "h_bucket{l=\"v\",le=\"1\"} 3\nh_bucket{l=\"v\",le=\"+Inf\"} 6\nh_sum{l=\"v\"} 7.5\n"
            "h_count{l=\"v\"} 6\n");
}

TEST(Exposition, TotalsOfWhatIsGoneStay) {
  Exposition gone;
  gone.counter("c", "", {}, 3);
  gone.gauge("g", "", {}, 3);
  const double bounds[] = {1};
  const std::uint64_t counts[] = {1, 1};
  gone.histogram("h", "", {}, bounds, counts, 2);
  Exposition out;
  out.add_totals(gone);
  out.counter("c", "", {}, 1);
  out.histogram("h", "", {}, bounds, counts, 2);
  EXPECT_EQ(
      out.text(),
      "# HELP c \n# TYPE c counter\nc 4\n# HELP h \n# TYPE h histogram\nh_bucket{le=\"1\"} 2\n"
      "h_bucket{le=\"+Inf\"} 4\nh_sum 4\nh_count 4\n");
}

}  // namespace
}  // namespace clusterdns::app
