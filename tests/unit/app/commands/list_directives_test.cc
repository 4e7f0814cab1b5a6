#include "app/commands/list_directives.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

std::string page_of(std::string_view name) {
  const auto path = std::filesystem::path(CLUSTERDNS_SOURCE_DIR) / "docs" / "directives" /
                    (std::string(name) + ".md");
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// What a page says of an option is what the program reads.
TEST(DirectivePages, HaveTheOptionsOfTheProgram) {
  for (const DirectiveSpec& spec : directives()) {
    if (!spec.built) continue;
    const std::string page = page_of(spec.name);
    ASSERT_FALSE(page.empty()) << "docs/directives/" << spec.name << ".md is missing";
    if (spec.options == nullptr) continue;
    for (const Option& option : spec.options()) {
      if (option.kind == Option::Kind::Later) continue;
      EXPECT_NE(page.find(markdown_row(option)), std::string::npos)
          << "docs/directives/" << spec.name << ".md lacks the row\n  " << markdown_row(option)
          << "\n`clusterdns directives " << spec.name << " -o markdown` prints them";
    }
  }
}

TEST(Directives, AllAndOne) {
  std::ostringstream out, err;
  EXPECT_EQ(run_directives({"", false}, out, err), 0);
  EXPECT_NE(out.str().find("\ncache "), std::string::npos) << out.str();
  EXPECT_EQ(out.str().find("\nquic "), std::string::npos) << "not built";
  out.str("");
  EXPECT_EQ(run_directives({"cache", false}, out, err), 0);
  EXPECT_NE(out.str().find("servfail DURATION  "), std::string::npos) << out.str();
  EXPECT_EQ(run_directives({"cahce", false}, out, err), 2);
  EXPECT_NE(err.str().find("did you mean 'cache'"), std::string::npos) << err.str();
}

}  // namespace
}  // namespace clusterdns::app
