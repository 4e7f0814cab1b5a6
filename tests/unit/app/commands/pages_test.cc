#include "app/commands/pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "app/commands/command_line.h"
#include "app/commands/coredns_flags.h"

namespace clusterdns::app {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<std::string> choices(const std::string& type, const std::string& description) {
  return choices_of({{"--option"}, type, description});
}

TEST(Pages, ChoicesAreThoseThatTheHelpNames) {
  EXPECT_THAT(choices("FORMAT", "table, json or yaml [table]"),
              ElementsAre("table", "json", "yaml"));
  EXPECT_THAT(choices("FORMAT", "text or json [text]"), ElementsAre("text", "json"));
  EXPECT_THAT(choices("FORMAT", "text, or json for an object a line [text]"),
              ElementsAre("text", "json"));
  EXPECT_THAT(choices("MODE", "Names of pods: disabled, insecure or verified [verified]"),
              ElementsAre("disabled", "insecure", "verified"));
  EXPECT_THAT(choices("FILE", "one or two"), IsEmpty());
}

// Of a tree whose texts have what each of the languages gives a meaning to.
const CommandPage kHostile{"odd",
                           "It's a [list]: `x`, $(reboot) \\n",
                           "  clusterdns odd 'a b' \\\n.TH EVIL\n",
                           {{{"-o", "--output"}, "FORMAT", "It's text or json [text]: `$(reboot)`"},
                            {{"PATH"}, "", "where", true}}};

TEST(Pages, TextIsNoCodeInTheManualPage) {
  const std::string page = man_page(std::vector{kHostile});
  EXPECT_THAT(page, AllOf(HasSubstr("It\\(aqs a [list]: \\(gax\\(ga"), HasSubstr("\\&.TH EVIL"),
                          Not(HasSubstr("\n.TH EVIL"))));
}

TEST(Pages, TextIsNoCodeInAShell) {
  EXPECT_THAT(completion("zsh", std::vector{kHostile}),
              AllOf(HasSubstr("'odd:It'\\''s a \\[list\\]\\: `x`, $(reboot) \\\\n'"),
                    HasSubstr("It'\\''s text or json \\[text\\]\\: `$(reboot)`]")));
  EXPECT_THAT(completion("fish", std::vector{kHostile}),
              HasSubstr("-d 'It'\\''s text or json [text]: `$(reboot)`'"));
  EXPECT_THAT(completion("bash", std::vector{kHostile}), Not(HasSubstr("reboot")));
}

TEST(Pages, EveryCommandAndOptionIsThere) {
  const std::vector<CommandPage> commands = command_pages();
  const std::string man = man_page(commands);
  for (const std::string_view shell : kShells) {
    const std::string script = completion(shell, commands);
    for (const CommandPage& command : commands) {
      EXPECT_THAT(script, HasSubstr(command.name)) << shell;
      for (const OptionPage& option : command.options) {
        if (option.word) continue;
        const std::string& name = option.names.back();
        EXPECT_THAT(script, HasSubstr(shell == "fish" ? "-l " + name.substr(2) : name)) << shell;
      }
    }
  }
  for (const CoreDnsFlag& flag : kNodeCacheFlags) {
    EXPECT_THAT(completion("bash", commands), HasSubstr(" -" + std::string(flag.name) + " "));
  }
  EXPECT_THAT(man, AllOf(HasSubstr("\\fB\\-localip\\fR \\fIADDRESSES\\fR\n"),
                         HasSubstr("\\fB\\-plugins\\fR\n")));
  for (const CommandPage& command : commands) {
    EXPECT_FALSE(command.description.empty());
    EXPECT_FALSE(command.examples.empty()) << command.name;
    for (const OptionPage& option : command.options) {
      EXPECT_FALSE(option.description.empty()) << command.name << option.names.back();
    }
  }
  EXPECT_THAT(man, AllOf(HasSubstr(".SS node\\-address\n"), HasSubstr("\\fB\\-\\-manifests\\fR")));
}

TEST(Pages, CommandLine) {
  const auto words = [](std::vector<const char*> argv) {
    argv.insert(argv.begin(), "clusterdns");
    const auto parsed = parse_command_line(static_cast<int>(argv.size()), argv.data());
    const auto* const exit = std::get_if<CommandLineExit>(&parsed);
    return exit == nullptr ? CommandLineExit{-1, ""} : *exit;
  };
  for (const char* const shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(words({"completion", shell}).code, 0);
    EXPECT_EQ(words({"completion", shell}).text, completion(shell, command_pages()));
  }
  EXPECT_EQ(words({"completion"}).code, 2);
  EXPECT_EQ(words({"completion", "csh"}).code, 2);
  EXPECT_EQ(words({"help", "--man"}).text, man_page(command_pages()));
}

}  // namespace
}  // namespace clusterdns::app
