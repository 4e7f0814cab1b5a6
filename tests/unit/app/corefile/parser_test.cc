#include "app/corefile/parser.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "app/corefile/limits.h"
#include "app/corefile/print.h"
#include "tests/unit/app/folder.h"

namespace clusterdns::app {
namespace {

ParseOptions with(std::map<std::string, std::string> variables) {
  ParseOptions options;
  options.environment =
      [variables = std::move(variables)](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
  return options;
}

Corefile parse(std::string_view text, const ParseOptions& options = {}) {
  return parse_corefile(text, "Corefile", options);
}

std::string printed(std::string_view text, const ParseOptions& options = {}) {
  return print_corefile(parse(text, options));
}

std::string error_of(std::string_view text, const ParseOptions& options = {}) {
  try {
    static_cast<void>(parse(text, options));
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "no error";
}

std::string error_of_file(const Folder& folder, const std::string& name) {
  try {
    static_cast<void>(load_corefile(folder / name));
  } catch (const ConfigError& e) {
    return folder.strip(e.what());
  }
  return "no error";
}

std::vector<std::string> warnings_of(const Corefile& corefile) {
  std::vector<std::string> result;
  for (const Warning& warning : corefile.warnings) result.push_back(to_string(warning));
  return result;
}

using Strings = std::vector<std::string>;

// ---- the grammar --------------------------------------------------------------------------------

TEST(Parser, BlocksDirectivesAndNestedLines) {
  const Corefile corefile = parse(
      "example.org:1053 tls://example.net {\n"
      "    log\n"
      "    cache 30 {\n"
      "        success 100 \"5 s\"\n"
      "        deeper a {\n"
      "            x\n"
      "        }\n"
      "    }\n"
      "}\n");
  ASSERT_EQ(corefile.blocks.size(), 1U);
  const ServerBlock& block = corefile.blocks[0];
  EXPECT_EQ(block.at, (Position{"Corefile", 1, 1}));
  ASSERT_EQ(block.keys.size(), 2U);
  EXPECT_EQ(block.keys[0].zone, "example.org.");
  EXPECT_EQ(block.keys[0].port, 1053);
  EXPECT_EQ(block.keys[1].scheme, "tls");
  EXPECT_EQ(block.keys[1].port, std::nullopt);
  EXPECT_EQ(block.keys[1].at, (Position{"Corefile", 1, 18}));
  ASSERT_EQ(block.directives.size(), 2U);
  EXPECT_EQ(block.directives[0].name.text, "log");
  EXPECT_FALSE(block.directives[0].has_block);
  const Directive& cache = block.directives[1];
  EXPECT_EQ(cache.name.at, (Position{"Corefile", 3, 5}));
  ASSERT_EQ(cache.args.size(), 1U);
  EXPECT_EQ(cache.args[0].text, "30");
  EXPECT_EQ(cache.args[0].at, (Position{"Corefile", 3, 11}));
  EXPECT_TRUE(cache.has_block);
  ASSERT_EQ(cache.block.size(), 2U);
  EXPECT_EQ(cache.block[0].args[1].text, "5 s");
  EXPECT_TRUE(cache.block[0].args[1].quoted);
  ASSERT_EQ(cache.block[1].block.size(), 1U);
  EXPECT_EQ(cache.block[1].block[0].name.at, (Position{"Corefile", 6, 13}));
  EXPECT_EQ(corefile.files, Strings{"Corefile"});
  EXPECT_TRUE(corefile.warnings.empty());
}

TEST(Parser, KeysAreSeparatedByBlanksOrCommas) {
  const std::string wanted = "a. b. c.:53 {\n}\n";
  EXPECT_EQ(printed("a b c:53 {\n}"), wanted);
  EXPECT_EQ(printed("a, b, c:53 {\n}"), wanted);
  EXPECT_EQ(printed("a,\nb,\n  c:53 {\n}"), wanted);
  EXPECT_EQ(printed("a,b c:53 {\n}"), wanted);
  EXPECT_EQ(parse("a,b {\n}").blocks[0].keys[1].at, (Position{"Corefile", 1, 3}));
}

TEST(Parser, TheBraceOfABlockMayStandOnTheNextLine) {
  EXPECT_EQ(printed("a\n{\n  log\n}\n"), "a. {\n    log\n}\n");
}

TEST(Parser, ASingleBlockNeedsNoBraces) {
  const std::string wanted =
      ".:53 {\n    forward . 1.1.1.1 {\n        max_fails 3\n    }\n    log\n}\n";
  EXPECT_EQ(printed(".:53\nforward . 1.1.1.1 {\n max_fails 3\n}\nlog"), wanted);
  EXPECT_EQ(printed(".:53"), ".:53 {\n}\n");
  EXPECT_EQ(printed("# c\n.:53 # d\n"), ".:53 {\n}\n");
}

TEST(Parser, NothingIsNoBlock) {
  EXPECT_TRUE(parse("").blocks.empty());
  EXPECT_TRUE(parse("# only a comment").blocks.empty());
  EXPECT_TRUE(parse("\"\"").blocks.empty());
  EXPECT_TRUE(parse("(s) {\n log\n}").blocks.empty());
}

TEST(Parser, BlocksFollowEachOtherOnALine) {
  EXPECT_EQ(printed("a {\n} b {\n}"), "a. {\n}\n\nb. {\n}\n");
  EXPECT_EQ(printed("a { }"), "a. {\n}\n");
}

TEST(Parser, QuotedBracesAreWords) {
  const Corefile corefile = parse(". {\n  template \"{\" \"}\" \"import\"\n}");
  ASSERT_EQ(corefile.blocks[0].directives.size(), 1U);
  EXPECT_EQ(corefile.blocks[0].directives[0].args.size(), 3U);
}

TEST(Parser, LinesCoreDnsWouldNotTakeAreWarnedAbout) {
  const Corefile corefile = parse(". {\n  health { lameduck 5s }\n  cache\n  {\n  }\n}");
  EXPECT_EQ(print_corefile(corefile),
            ". {\n    health {\n        lameduck 5s\n    }\n    cache {\n    }\n}\n");
  EXPECT_EQ(warnings_of(corefile),
            (Strings{"Corefile:2:24: CoreDNS wants this '}' on a line of its own",
                     "Corefile:4:3: CoreDNS wants this '{' on the line of 'cache'"}));
}

TEST(Parser, AHashInsideAWordIsWarnedAbout) {
  const Corefile corefile = parse(".\nforward . 10.0.0.1#53 10.0.0.2");
  EXPECT_EQ(print_corefile(corefile), ". {\n    forward . 10.0.0.1 10.0.0.2\n}\n");
  EXPECT_EQ(
      warnings_of(corefile),
      (Strings{"Corefile:2:11: the '#' in the word that starts with '10.0.0.1' drops only the "
               "rest of the word; put white space before a comment, or the word in quotes"}));
}

TEST(Parser, CrlfAndByteOrderMark) {
  EXPECT_EQ(printed("\xEF\xBB\xBF.:53 {\r\n  log\r\n  forward . \"1.1.1.1\"\r\n}\r\n"),
            ".:53 {\n    log\n    forward . 1.1.1.1\n}\n");
}

struct BadCase {
  std::string_view text;
  std::string_view error;
};

TEST(Parser, ErrorsNameFileLineAndColumn) {
  const BadCase cases[] = {
      {". {\n  log\n", "Corefile:1:3: this '{' is never closed; add the '}' that belongs to it"},
      {". {\n  cache {\n    success\n}\n",
       "Corefile:1:3: this '{' is never closed; add the '}' that belongs to it"},
      {". {\n  cache {\n",
       "Corefile:2:9: this '{' is never closed; add the '}' that belongs to it"},
      {"(s) {\n  log", "Corefile:1:5: this '{' is never closed; add the '}' that belongs to it"},
      {". {\n}\n}\n",
       "Corefile:3:1: this '}' has no matching '{'; remove it, or look for a '{' "
       "without white space around it above"},
      {". {\n  forward . 1.1.1.1{\n    x\n  }\n}\n",
       "Corefile:5:1: this '}' has no matching '{'; remove it, or look for a '{' without white "
       "space "
       "around it above; the '{' at Corefile:2:13 has no white space before it"},
      {".\nlog\n}", "Corefile:3:1: this '}' has no matching '{'; remove it"},
      {"{\n log\n}",
       "Corefile:1:1: there is no zone before this '{'; write one ('.' is the root zone)"},
      {"\"\" {\n log\n}",
       "Corefile:1:4: there is no zone before this '{'; write one ('.' is the root zone)"},
      {"a, {\n}",
       "Corefile:1:1: another zone is expected after the comma of 'a,'; write it, or "
       "remove the comma"},
      {"a b,",
       "Corefile:1:3: another zone is expected after the comma of 'b,'; write it, or remove "
       "the comma"},
      {".:53{\n log\n}", "Corefile:1:1: put white space before the '{' of '.:53{'"},
      {". {}\n", "Corefile:1:3: put white space between '{' and '}'"},
      {". {\n  health{\n  }\n}", "Corefile:2:3: put white space before the '{' of 'health{'"},
      {". {\n  {\n  }\n}", "Corefile:2:3: a line cannot start with '{'; write a name before it"},
      {". {\n  log {\n  } x\n}", "Corefile:3:5: 'x' follows a '}'; start it on a new line"},
      {". {\n  \"\" x\n}",
       "Corefile:2:3: an empty word where a name is expected; check the quotes, "
       "or the environment variable it came from"},
      {"a }", "Corefile:1:3: a '}' between zones; put '{' and the directives before it"},
      {". {\n log\n\nb.org {\n log\n}\n",
       "Corefile:4:1: 'b.org' is not a directive; is the '}' of the server block opened at "
       "Corefile:1:3 missing above it?"},
      {"a.org\nlog\nb.org\nlog\n",
       "Corefile:3:1: 'b.org' is not a directive; with more than one server block each needs '{' "
       "and "
       "'}' around its directives"},
      {"a:x {\n}",
       "Corefile:1:1: 'x' in 'a:x' is not a valid port; write a number from 0 to 65535"},
      {"ok\n\n\"a\n", "Corefile:3:1: this '\"' is never closed; add the second '\"'"},
      {"(a b) {\n}",
       "Corefile:1:1: '(a' is not a zone; a snippet has one name in parentheses, "
       "without spaces"},
      {"() {\n}",
       "Corefile:1:1: '()' is not a snippet's name; write it like (common), without spaces"},
      {"(s)\nlog", "Corefile:1:1: the snippet 's' needs its lines between '{' and '}'"},
      {"(s) {\n}\n(s) {\n}",
       "Corefile:3:1: the snippet 's' was defined before at Corefile:1:1; "
       "rename one of them"},
      {". {\n  import\n}",
       "Corefile:2:3: import needs a file, a pattern or a snippet; write one "
       "after it"},
      {"import", "Corefile:1:1: import needs a file, a pattern or a snippet; write one after it"},
      {"import a b",
       "Corefile:1:10: import takes one file, pattern or snippet; put 'b' on a line of "
       "its own"},
      {"import \"\"",
       "Corefile:1:8: nothing to import; check the quotes or the environment variable"},
      {"import /*/*.txt",
       "Corefile:1:8: the pattern '/*/*.txt' has more than one '*' or '?', or a "
       "'['; CoreDNS takes one, use several imports"},
      {"import /[a-z]",
       "Corefile:1:8: the pattern '/[a-z]' has more than one '*' or '?', or a "
       "'['; CoreDNS takes one, use several imports"},
      {"(common) {\n}\n. {\n  import comon\n}",
       "Corefile:4:10: no file 'comon' and no snippet (comon) above this line; did you mean the "
       "snippet 'common'?"},
      {". {\n  import not/there\n}",
       "Corefile:2:10: no file 'not/there' and no snippet (not/there) above this line; check the "
       "path; it is relative to the folder of the importing file"},
      {"(a) {\n import a\n}\n. {\n import a\n}",
       "Corefile:2:2: (a) imports itself ((a) -> (a)); remove one of the imports (imported at "
       "Corefile:5:2)"},
      {"(a) {\n import b\n}\n(b) {\n import a\n}\n. {\n import a\n}",
       "Corefile:5:2: (a) imports itself ((a) -> (b) -> (a)); remove one of the imports (imported "
       "at "
       "Corefile:2:2, from Corefile:8:2)"},
  };
  for (const BadCase& bad : cases) {
    EXPECT_EQ(error_of(bad.text), bad.error) << bad.text;
  }
}

// All that is wrong with `text`, a line each.
std::string errors_of(std::string_view text, bool* whole = nullptr) {
  Problems problems;
  const Corefile corefile = parse_corefile(text, "Corefile", {}, problems);
  if (whole != nullptr) *whole = corefile.whole;
  std::string all;
  for (const Problem& problem : problems.sorted()) all += to_string(problem) + "\n";
  return all;
}

TEST(Parser, EveryErrorIsReported) {
  bool whole = false;
  EXPECT_EQ(
      errors_of(R"(a..b {
    cache
    import nothing
    import x y
    "" z
    log {
    } errors
    a.b
}
c:x, d {
}
d {
}
)",
                &whole),
      "Corefile:1:1: 'a..b' is not a zone: a label is empty; remove the extra dot\n"
      "Corefile:3:12: no file 'nothing' and no snippet (nothing) above this line; check the "
      "path; it is relative to the folder of the importing file\n"
      "Corefile:4:14: import takes one file, pattern or snippet; put 'y' on a line of its own\n"
      "Corefile:5:5: an empty word where a name is expected; check the quotes, or the "
      "environment variable it came from\n"
      "Corefile:7:7: 'errors' follows a '}'; start it on a new line\n"
      "Corefile:8:5: 'a.b' is not a directive; is the '}' of the server block opened at "
      "Corefile:1:6 missing above it?\n"
      "Corefile:10:1: 'x' in 'c:x' is not a valid port; write a number from 0 to 65535\n"
      "Corefile:12:1: dns://d.:53 is already served by another block, at Corefile:10:6; "
      "merge the two, or give one of them another port or `bind`\n");
  EXPECT_TRUE(whole);
}

TEST(Parser, BracesThatDoNotFitEndTheReport) {
  bool whole = true;
  // What follows could belong to anything.
  EXPECT_EQ(errors_of("a..b {\n}\n. {\n  cache {\n}\nwhoami\n", &whole),
            "Corefile:1:1: 'a..b' is not a zone: a label is empty; remove the extra dot\n"
            "Corefile:3:3: this '{' is never closed; add the '}' that belongs to it\n");
  EXPECT_FALSE(whole);
}

TEST(Parser, AnImportedFileWithBracesThatDoNotFitIsAProblemOfItsOwn) {
  const Folder folder;
  folder.write("bad", "cache {\n");
  folder.write("Corefile", ". {\n  import bad\n  import gone\n}\n");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/bad:1:7: this '{' is never closed; add the '}' that belongs to it (imported at "
            "DIR/Corefile:2:3)\n"
            "DIR/Corefile:3:10: no file 'DIR/gone' and no snippet (gone) above this line; check "
            "the path; it is relative to the folder of the importing file");
}

TEST(Parser, AMistakeInASnippetIsReportedOnce) {
  EXPECT_EQ(errors_of("(s) {\n  import gone\n}\n. {\n  import s\n  import s\n}\n"),
            "Corefile:2:10: no file 'gone' and no snippet (gone) above this line; check the path; "
            "it is relative to the folder of the importing file (imported at Corefile:5:3)\n");
}

TEST(Parser, ReportsAreBounded) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "a..b {\n}\n";
  Problems problems;
  static_cast<void>(parse_corefile(text, "Corefile", {}, problems));
  EXPECT_EQ(problems.errors(), 1000U);
  EXPECT_EQ(problems.sorted().size(), kMaxProblems);
  const std::string error = error_of(text);
  EXPECT_EQ(error.substr(error.rfind('\n')), "\nand 900 more errors");
}

TEST(Parser, WordsOfADirectiveKnowWhatTheyAreAbout) {
  const auto corefile =
      parse(". {\n  forward . 192.0.2.1 {\n    max_fails 1\n    a b {\n c d\n }\n  }\n}");
  const Directive& forward = corefile.blocks.at(0).directives.at(0);
  EXPECT_EQ(forward.args.at(1).at.subject, "forward");
  EXPECT_EQ(forward.block.at(0).args.at(0).at.subject, "forward: max_fails");
  EXPECT_EQ(forward.block.at(1).block.at(0).args.at(0).at.subject, "forward: a");
}

TEST(Parser, FilesOfAnotherMachineAreNotMissed) {
  ParseOptions options;
  options.elsewhere = true;
  Problems problems;
  const Corefile corefile =
      parse_corefile("import /nowhere/*.server\n. {\n  import /nowhere/file\n  log\n}\n",
                     "Corefile", options, problems);
  EXPECT_FALSE(problems.has_errors());
  EXPECT_TRUE(corefile.warnings.empty());
  EXPECT_EQ(print_corefile(corefile), ". {\n    log\n}\n");
}

TEST(Parser, DepthIsLimited) {
  std::string deep = ". {\n";
  for (std::size_t i = 0; i < kMaxBlockDepth; ++i) deep += "x {\n";
  std::string closed = deep;
  for (std::size_t i = 0; i <= kMaxBlockDepth; ++i) closed += "}\n";
  EXPECT_EQ(error_of(closed), "no error");
  EXPECT_EQ(error_of(deep + "x {\n" + closed),
            "Corefile:34:3: blocks are nested more than 32 deep; look for a missing '}'");
}

TEST(Parser, SnippetsThatMultiplyAreStopped) {
  std::string text = "(s0) {\n x\n}\n";
  for (int i = 1; i <= 30; ++i) {
    const std::string last = "import s" + std::to_string(i - 1) + "\n";
    text += "(s" + std::to_string(i) + ") {\n" + last + last + "}\n";
  }
  const std::string error = error_of(text + ". {\nimport s30\n}");
  EXPECT_NE(error.find("more than 10000 imports"), std::string::npos) << error;
}

// ---- duplicates ---------------------------------------------------------------------------------

TEST(Parser, TwoBlocksMayNotServeTheSame) {
  EXPECT_EQ(
      error_of("a {\n}\nb A.:53 {\n}"),
      "Corefile:3:3: dns://a.:53 is already served by another block, at Corefile:1:1; merge the "
      "two, or give one of them another port or `bind`");
  EXPECT_EQ(
      error_of("a a {\n}"),
      "Corefile:1:3: dns://a.:53 is already served by another block, at Corefile:1:1; merge the "
      "two, or give one of them another port or `bind`");
  ParseOptions options;
  options.dns_port = 1053;
  EXPECT_EQ(error_of("a {\n}\na:53 {\n}", options), "no error");
  EXPECT_EQ(error_of("a {\n}\na:1053 {\n}", options),
            "Corefile:3:1: dns://a.:1053 is already served by another block, at Corefile:1:1; "
            "merge the two, or give one of them another port or `bind`");
  EXPECT_EQ(error_of("a {\n}\ntls://a {\n}\nhttps://a {\n}\n b {\n}"), "no error");
  EXPECT_EQ(error_of("tls://a {\n}\ntls://a:853 {\n}"),
            "Corefile:3:1: tls://a.:853 is already served by another block, at Corefile:1:1; "
            "merge the two, or give one of them another port or `bind`");
  EXPECT_EQ(error_of("10.0.0.0/24 {\n}\n0.0.10.in-addr.arpa {\n}").substr(0, 13), "Corefile:3:1:");
}

TEST(Parser, BindAndViewTellBlocksApart) {
  EXPECT_EQ(error_of("a {\n bind 127.0.0.1\n}\na {\n bind 127.0.0.2 ::1\n}"), "no error");
  EXPECT_EQ(error_of("a {\n bind 127.0.0.1 ::1\n}\na {\n bind ::1\n}").substr(0, 13),
            "Corefile:4:1:");
  EXPECT_EQ(error_of("a {\n bind 127.0.0.1\n}\na {\n}").substr(0, 13), "Corefile:4:1:");
  EXPECT_EQ(error_of("a {\n view x {\n expr true\n }\n}\na {\n}"), "no error");
}

// ---- environment --------------------------------------------------------------------------------

TEST(Parser, EnvironmentIsReplaced) {
  const ParseOptions options =
      with({{"PORT", "8080"}, {"ADDRESS", "servername.com"}, {"FOOBAR", "foo bar"}, {"DIR", "r1"}});
  EXPECT_EQ(printed("{$ADDRESS}", options), "servername.com. {\n}\n");
  EXPECT_EQ(printed("{%ADDRESS%}:{$PORT}", options), "servername.com.:8080 {\n}\n");
  EXPECT_EQ(printed("{$ADDRESS}:{%PORT%}, b", options), "servername.com.:8080 b. {\n}\n");
  EXPECT_EQ(printed(".\ndi{$DIR} {$FOOBAR} \"Test {$FOOBAR} test\"", options),
            ". {\n    dir1 \"foo bar\" \"Test foo bar test\"\n}\n");
  // Not references.
  EXPECT_EQ(parse(".\ndir {%ADDRESS} {$} {$x {{ }}", options).blocks[0].directives[0].args[0].text,
            "{%ADDRESS}");
}

TEST(Parser, AnUnsetVariableLeavesNothingAndAWarning) {
  const Corefile corefile = parse("{$ZONE} . {\n  forward . {$UP}\n}", with({}));
  EXPECT_EQ(print_corefile(corefile), ". {\n    forward . \"\"\n}\n");
  EXPECT_EQ(warnings_of(corefile),
            (Strings{"Corefile:1:1: the environment variable 'ZONE' is not set; it is replaced "
                     "by nothing",
                     "Corefile:2:13: the environment variable 'UP' is not set; it is replaced by "
                     "nothing"}));
}

TEST(Parser, WhatTheEnvironmentGivesIsNeverSyntax) {
  const ParseOptions options = with({{"BRACE", "}"}, {"WORD", "import"}, {"LOOP", "{$LOOP}"}});
  const Corefile corefile = parse(". {\n  x {$BRACE} {$LOOP}\n  {$WORD} y\n}", options);
  const auto& directives = corefile.blocks[0].directives;
  ASSERT_EQ(directives.size(), 2U);
  EXPECT_EQ(directives[0].args[0].text, "}");
  EXPECT_EQ(directives[0].args[1].text, "{$LOOP}");
  EXPECT_EQ(directives[1].name.text, "import");
}

TEST(Parser, TheProcessEnvironmentIsTheDefault) {
  ASSERT_EQ(::setenv("CLUSTERDNS_PARSER_TEST", "from-env", 1), 0);
  EXPECT_EQ(printed("{$CLUSTERDNS_PARSER_TEST}"), "from-env. {\n}\n");
  ::unsetenv("CLUSTERDNS_PARSER_TEST");
}

// ---- import -------------------------------------------------------------------------------------

TEST(Parser, SnippetsAreReplayed) {
  EXPECT_EQ(printed("(common) {\n  errors\n  cache 30 {\n   success 1\n  }\n}\n"
                    "a {\n import common\n log\n}\nb {\n log\n import common\n}\n"
                    "(inner) {\n lameduck 5s\n}\nc {\n health {\n import inner\n }\n}"),
            "a. {\n    errors\n    cache 30 {\n        success 1\n    }\n    log\n}\n\n"
            "b. {\n    log\n    errors\n    cache 30 {\n        success 1\n    }\n}\n\n"
            "c. {\n    health {\n        lameduck 5s\n    }\n}\n");
  // A snippet of whole server blocks.
  EXPECT_EQ(printed("(all) {\n a {\n  log\n }\n}\nimport all\n"), "a. {\n    log\n}\n");
  // `import` in the middle of a line is a word.
  EXPECT_EQ(printed("a {\n x import y\n}"), "a. {\n    x \"import\" y\n}\n");
}

TEST(Parser, FilesAreFoundBesideTheFileThatImports) {
  const Folder folder;
  folder.write("Corefile", "import zones/all.conf\n. {\n  import common.conf\n}\n");
  folder.write("common.conf", "errors\nlog\n");
  folder.write("zones/all.conf", "a {\n  import common.conf\n}\n");
  folder.write("zones/common.conf", "whoami");
  const Corefile corefile = load_corefile(folder / "Corefile");
  EXPECT_EQ(print_corefile(corefile), "a. {\n    whoami\n}\n\n. {\n    errors\n    log\n}\n");
  EXPECT_EQ(corefile.files, (Strings{folder / "Corefile", folder / "zones/all.conf",
                                     folder / "zones/common.conf", folder / "common.conf"}));
  EXPECT_EQ(corefile.blocks[0].directives[0].name.at,
            (Position{folder / "zones/common.conf", 1, 1}));
  // An absolute path, and a file read twice is listed once.
  const std::string common = folder / "common.conf";
  const Corefile absolute = parse("a {\n import " + common + "\n}\nb {\n import " + common + "\n}");
  EXPECT_EQ(absolute.files, (Strings{"Corefile", common}));
  EXPECT_EQ(absolute.blocks[1].directives.size(), 2U);
}

TEST(Parser, APatternImportsItsFilesInOrder) {
  const Folder folder;
  folder.write("Corefile", ". {\n  import custom/*.override\n}\nimport custom/*.server\n");
  folder.write("custom/b.override", "log");
  folder.write("custom/a.override", "errors\n");
  folder.write("custom/B.override", "whoami\n");
  folder.write("custom/.hidden.override", "chaos\n");
  folder.write("custom/folder.override/x", "loop\n");
  folder.write("custom/one.server", "one:5300 {\n  log\n}\n");
  const Corefile corefile = load_corefile(folder / "Corefile");
  EXPECT_EQ(print_corefile(corefile),
            ". {\n    whoami\n    errors\n    log\n}\n\none.:5300 {\n    log\n}\n");
  EXPECT_EQ(corefile.import_patterns,
            (Strings{folder / "custom/*.override", folder / "custom/*.server"}));
  EXPECT_TRUE(corefile.warnings.empty());
}

TEST(Parser, APatternWithoutFilesIsOnlyAWarning) {
  const Folder folder;
  folder.write("Corefile", ". {\n  log\n  import custom/*.override\n}\n");
  const Corefile corefile = load_corefile(folder / "Corefile");
  EXPECT_EQ(print_corefile(corefile), ". {\n    log\n}\n");
  ASSERT_EQ(corefile.warnings.size(), 1U);
  EXPECT_EQ(folder.strip(to_string(corefile.warnings[0])),
            "DIR/Corefile:3:10: no file matches 'custom/*.override'; nothing is imported");
}

TEST(Parser, AFolderWithWildcardsInItsNameIsTakenLiterally) {
  const Folder folder;
  folder.write("a[b]*/Corefile", "import *.server\n");
  folder.write("a[b]*/x.server", "x {\n}\n");
  EXPECT_EQ(print_corefile(load_corefile(folder / "a[b]*/Corefile")), "x. {\n}\n");
}

TEST(Parser, ErrorsInImportedFilesTellHowTheyWereReached) {
  const Folder folder;
  folder.write("Corefile", "import blocks\n");
  folder.write("blocks", ". {\n  import lines\n}\n");
  folder.write("lines", "log\nhealth{\n");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/lines:2:1: put white space before the '{' of 'health{' (imported at "
            "DIR/blocks:2:3, from DIR/Corefile:1:1)");
  // A file closes what it opens.
  folder.write("lines", "health {\n");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/lines:1:8: this '{' is never closed; add the '}' that belongs to it (imported at "
            "DIR/blocks:2:3, from DIR/Corefile:1:1)");
  folder.write("lines", "log\n}\n");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/lines:2:1: this '}' has no matching '{'; remove it (imported at DIR/blocks:2:3, "
            "from DIR/Corefile:1:1)");
  folder.write("lines", "a.org:53 {\n}\n");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/lines:1:1: 'a.org:53' is not a directive; import files with server blocks "
            "outside of server blocks (imported at DIR/blocks:2:3, from DIR/Corefile:1:1)");
}

TEST(Parser, FilesThatImportThemselvesAreReported) {
  const Folder folder;
  folder.write("Corefile", "import a\n");
  folder.write("a", "import sub/../b\n");
  folder.write("b", "import ./a\n");
  folder.write("sub/x", "");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/b:1:1: DIR/a imports itself (DIR/a -> DIR/b -> DIR/a); remove one of the imports "
            "(imported at DIR/a:1:1, from DIR/Corefile:1:1)");
  folder.write("a", "import Corefile");
  EXPECT_EQ(
      error_of_file(folder, "Corefile"),
      "DIR/a:1:1: DIR/Corefile imports itself (DIR/Corefile -> DIR/a -> DIR/Corefile); remove "
      "one of the imports (imported at DIR/Corefile:1:1)");
}

TEST(Parser, ImportDepthIsLimited) {
  const Folder folder;
  for (int i = 0; i < 40; ++i) {
    folder.write("f" + std::to_string(i), "import f" + std::to_string(i + 1) + "\n");
  }
  folder.write("f40", ". {\n}\n");
  EXPECT_EQ(error_of_file(folder, "f8"), "no error");
  const std::string error = error_of_file(folder, "f0");
  EXPECT_EQ(error.substr(0, error.find(" (")),
            "DIR/f32:1:1: imports are nested more than 32 deep; import the last one directly");
}

TEST(Parser, FilesThatCannotBeRead) {
  const Folder folder;
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/Corefile: cannot open 'DIR/Corefile': No such file or directory; check the path");
  folder.write("sub/x", "");
  EXPECT_EQ(
      error_of_file(folder, "sub"),
      "DIR/sub: 'DIR/sub' is a folder; name a file in it, or "
      "'DIR/sub/*' in an import; manifests in it are served by `clusterdns serve -m DIR/sub`");
  folder.write("Corefile", "\nimport sub\n");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/Corefile:2:8: 'DIR/sub' is a folder; name a file in it, or 'DIR/sub/*' in an "
            "import");
  folder.write("big", std::string(kMaxCorefileSize + 1, '\n'));
  folder.write("Corefile", "import big");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/Corefile:1:8: 'DIR/big' is larger than 1048576 octets; check that it is a "
            "Corefile");
  folder.write("Corefile", "import /dev/zero");
  EXPECT_EQ(error_of_file(folder, "Corefile"),
            "DIR/Corefile:1:8: '/dev/zero' is not a regular file; import files that can be read "
            "again");
}

TEST(Parser, LargeFilesImportedOftenAreStopped) {
  const Folder folder;
  folder.write("big", std::string(kMaxCorefileSize, '\n'));
  std::string text;
  for (int i = 0; i < 17; ++i) text += "import big\n";
  folder.write("Corefile", text);
  EXPECT_EQ(error_of_file(folder, "Corefile").substr(0, 15), "DIR/Corefile:17");
}

// ---- Corefiles in the wild ----------------------------------------------------------------------

TEST(Parser, Kubeadm) {
  const std::string text = R"(.:53 {
    errors
    health {
       lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
       pods insecure
       fallthrough in-addr.arpa ip6.arpa
       ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
    cache 30 {
       disable success cluster.local
       disable denial cluster.local
    }
    loop
    reload
    loadbalance
}
)";
  const Corefile corefile = parse(text);
  ASSERT_EQ(corefile.blocks.size(), 1U);
  const auto& directives = corefile.blocks[0].directives;
  Strings names;
  for (const Directive& directive : directives) names.push_back(directive.name.text);
  EXPECT_EQ(names, (Strings{"errors", "health", "ready", "kubernetes", "prometheus", "forward",
                            "cache", "loop", "reload", "loadbalance"}));
  EXPECT_EQ(directives[3].args.size(), 3U);
  EXPECT_EQ(directives[3].block[1].name.text, "fallthrough");
  EXPECT_EQ(directives[3].block[1].args.size(), 2U);
  EXPECT_TRUE(corefile.warnings.empty());
}

TEST(Parser, K3s) {
  const Folder folder;
  const std::string path = folder.write("Corefile", R"(.:53 {
    errors
    health
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
    }
    hosts /etc/coredns/NodeHosts {
      ttl 60
      reload 15s
      fallthrough
    }
    prometheus :9153
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    forward . /etc/resolv.conf
}
import custom/*.server
)");
  folder.write("custom/corp.server", "corp.example:53 {\n  forward . 10.1.2.3\n}\n");
  folder.write("custom/log.override", "log\n");
  const Corefile corefile = load_corefile(path);
  ASSERT_EQ(corefile.blocks.size(), 2U);
  EXPECT_EQ(corefile.blocks[0].directives.size(), 12U);
  EXPECT_EQ(corefile.blocks[1].keys[0].zone, "corp.example.");
  EXPECT_TRUE(corefile.warnings.empty());
}

TEST(Parser, AksMinikubeNodeLocalAndOpenShift) {
  EXPECT_EQ(error_of(R"(.:53 {
    errors
    ready
    health {
      lameduck 5s
    }
    kubernetes cluster.local in-addr.arpa ip6.arpa {
      pods insecure
      fallthrough in-addr.arpa ip6.arpa
      ttl 30
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
    import custom/*.override
    template ANY ANY internal.cloudapp.net {
      match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"
      rcode NXDOMAIN
      fallthrough
    }
}
import custom/*.server
)"),
            "no error");
  EXPECT_EQ(error_of(R"(.:53 {
    log
    hosts {
       192.168.65.254 host.minikube.internal
       fd00::1 host.six.internal
       fallthrough
    }
    forward . /etc/resolv.conf {
       max_concurrent 1000
    }
})"),
            "no error");
  EXPECT_EQ(error_of(R"(cluster.local:53 {
    errors
    cache {
            success 9984 30
            denial 9984 5
    }
    reload
    loop
    bind 169.254.20.10 10.96.0.10
    forward . 10.96.0.11 {
            force_tcp
    }
    prometheus :9253
    health 169.254.20.10:8080
    }
in-addr.arpa:53 {
    bind 169.254.20.10 10.96.0.10
    }
ip6.arpa:53 {
    bind 169.254.20.10 10.96.0.10
    }
.:53 {
    bind 169.254.20.10 10.96.0.10
    forward . /etc/resolv.conf
    }
)"),
            "no error");
  EXPECT_EQ(error_of(R"(.:5353 {
    bufsize 1232
    errors
    log . {
        class error
    }
    forward . /etc/resolv.conf {
        policy sequential
    }
    cache 900 {
        denial 9984 30
    }
    prometheus 127.0.0.1:9153
})"),
            "no error");
}

}  // namespace
}  // namespace clusterdns::app
