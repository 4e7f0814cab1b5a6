// conformance_tests [--server ADDR:PORT] [GoogleTest options]
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <string_view>

#include "conformance/target.h"

namespace {

// A leak or a report of a sanitizer shows in the exit code of the server, so it is looked at too.
class StopTarget : public ::testing::Environment {
 public:
  void TearDown() override { EXPECT_EQ(clusterdns::test::stop_target(), 0); }
};

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (const char* server = std::getenv("CLUSTERDNS_SERVER")) {
    clusterdns::test::use_external_target(server);
  }
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--server" && i + 1 < argc) {
      clusterdns::test::use_external_target(argv[++i]);
    } else {
      std::cerr << "usage: " << argv[0] << " [--server ADDR:PORT] [--gtest_…]\n";
      return 2;
    }
  }
  ::testing::AddGlobalTestEnvironment(new StopTarget);
  return RUN_ALL_TESTS();
}
