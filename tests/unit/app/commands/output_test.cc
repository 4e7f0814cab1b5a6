#include "app/commands/output.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace clusterdns::app {
namespace {

TEST(Output, WhatIsWrittenIsNotTalkedAbout) {
  std::ostringstream out, err;
  out << "text";
  EXPECT_EQ(end_output(0, out, err), 0);
  EXPECT_EQ(end_output(3, out, err), 3);
  EXPECT_EQ(err.str(), "");
}

TEST(Output, AFullDiskIsAnError) {
  std::ofstream out("/dev/full");
  ASSERT_TRUE(out);
  out << "x";
  std::ostringstream err;
  EXPECT_EQ(end_output(0, out, err), 1);
  EXPECT_EQ(err.str(), "clusterdns: cannot write to standard output: No space left on device\n");
  EXPECT_EQ(end_output(2, out, err), 2);
}

TEST(Output, WhatFailedBeforeTheEndIsAnErrorToo) {
  std::ostringstream out, err;
  out << "text";
  out.setstate(std::ios::badbit);
  EXPECT_EQ(end_output(0, out, err), 1);
  EXPECT_TRUE(err.str().starts_with("clusterdns: cannot write to standard output")) << err.str();
}

}  // namespace
}  // namespace clusterdns::app
