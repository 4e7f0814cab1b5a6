#include "registry/manifests/document_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "tests/unit/registry/manifests/documents_fixture.h"

namespace clusterdns::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::read_documents;

// First line and text of each document.
std::vector<std::string> cut(const std::string& text) {
  DocumentReader reader(read_from(text));
  std::vector<std::string> found;
  Document document;
  while (reader.next(document)) {
    found.push_back(std::to_string(document.first_line) + "|" + document.text);
  }
  if (reader.failure()) {
    found.push_back(std::to_string(reader.failure()->mark.line) + ':' +
                    std::to_string(reader.failure()->mark.column) + '!' + reader.failure()->what);
  }
  return found;
}

TEST(DocumentReader, DocumentsEndAtMarkers) {
  EXPECT_THAT(cut("a: 1\n---\nb: 2\n...\nc: 3\n"),
              ElementsAre("1|a: 1\n", "2|---\nb: 2\n", "5|c: 3\n"));
  EXPECT_THAT(cut("--- {a: 1}\n--- # a comment\nb: 2"),
              ElementsAre("1|--- {a: 1}\n", "2|--- # a comment\nb: 2\n"));
  // None of these is a marker.
  EXPECT_THAT(cut("a: |\n  ---\n ---\n----\n---x\n"), SizeIs(1));
}

TEST(DocumentReader, EmptyDocumentsAreNone) {
  EXPECT_THAT(cut(""), IsEmpty());
  EXPECT_THAT(cut("\n\n# only a comment\n"), IsEmpty());
  EXPECT_THAT(cut("---\n---\n# nothing\n---\n\n...\n"), IsEmpty());
  EXPECT_THAT(cut("---\n# nothing\n---\na: 1\n"), ElementsAre("3|---\na: 1\n"));
}

TEST(DocumentReader, DirectivesGoWithTheDocumentBehindThem) {
  EXPECT_THAT(cut("# first\n%YAML 1.1\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n"),
              ElementsAre("1|# first\n%YAML 1.1\n---\na: 1\n", "6|%YAML 1.2\n---\nb: 2\n"));
}

TEST(DocumentReader, EveryWayToEndALine) {
  const std::string text = "a: 1\nb: 2\n---\nc: 3\n";
  for (const char* end : {"\n", "\r\n", "\r"}) {
    std::string with;
    for (const char c : text) with += c == '\n' ? end : std::string(1, c);
    EXPECT_THAT(cut(with), ElementsAre("1|a: 1\nb: 2\n", "3|---\nc: 3\n"));
  }
  // Also where a pair is cut in two by the buffer.
  const std::string filler(64 * 1024 - 1 - 6, 'x');
  EXPECT_THAT(cut("a: 1\n#" + filler + "\r\nb: 2\r\n"),
              ElementsAre("1|a: 1\n#" + filler + "\nb: 2\n"));
}

TEST(DocumentReader, AByteOrderMarkMayBeginAnyLine) {
  const std::string mark = "\xef\xbb\xbf";
  EXPECT_THAT(cut(mark + "a: 1\n" + mark + "---\n" + mark + "b: 2\n---\n# x\n" + mark + "c: 3\n"),
              ElementsAre("1|a: 1\n", "2|---\nb: 2\n", "4|---\n# x\nc: 3\n"));
  // Elsewhere it is a character like others.
  EXPECT_THAT(cut("a: " + mark + "1\n"), ElementsAre("1|a: " + mark + "1\n"));
}

std::string widened(const std::u16string& text, bool little) {
  std::string out;
  for (const char16_t unit : text) {
    const char high = static_cast<char>(unit >> 8), low = static_cast<char>(unit & 0xFF);
    out += little ? std::string{low, high} : std::string{high, low};
  }
  return out;
}

// As PowerShell writes what a program prints.
TEST(DocumentReader, Utf16AndUtf32) {
  const std::u16string text = u"\uFEFFa: \u00e9\u20ac\U0001F680\r\n---\r\nb: 2\r\n";
  const auto wanted = ElementsAre("1|a: é€🚀\n", "2|---\nb: 2\n");
  EXPECT_THAT(cut(widened(text, true)), wanted);
  EXPECT_THAT(cut(widened(text, false)), wanted);
  std::string wide;
  for (const char32_t c : std::u32string(U"\uFEFFa: \u00e9\u20ac\U0001F680\n---\nb: 2\n")) {
    for (unsigned shift = 0; shift < 32; shift += 8) wide += static_cast<char>(c >> shift);
  }
  EXPECT_THAT(cut(wide), wanted);
  // A half of a pair, and half a unit at the end.
  EXPECT_THAT(cut(widened(u"\uFEFFa: \xD83D!\n", true) + "x"), ElementsAre("1|a: \uFFFD!\n"));
}

TEST(DocumentReader, WhatIsNoText) {
  EXPECT_THAT(cut(std::string("a: 1\nb\0: 2\n", 11)),
              ElementsAre("2:2!not text: it has the octet 0x00"));
  // yaml-cpp takes this one for the end of the file.
  EXPECT_THAT(cut("a: 1\n---\nb: \x04 2\n"),
              ElementsAre("1|a: 1\n", HasSubstr("3:4!not text: it has the octet 0x04")));
  EXPECT_THAT(cut("\x7f\x45LF\x02"), ElementsAre(HasSubstr("1:1!not text")));
  EXPECT_THAT(cut("a:\t1\n"), SizeIs(1));
}

TEST(DocumentReader, LimitsWhatIsRead) {
  std::uint64_t given = 0;
  DocumentReader reader([&given](char* to, std::size_t size) {
    std::fill_n(to, size, '#');
    to[size - 1] = '\n';
    given += size;
    return size;
  });
  Document document;
  EXPECT_FALSE(reader.next(document));
  ASSERT_TRUE(reader.failure());
  EXPECT_THAT(reader.failure()->what, HasSubstr("larger than 256 MiB"));
  EXPECT_LE(given, kMaxManifestBytes + 64 * 1024);
}

TEST(DocumentReader, ErrorsOfReading) {
  DocumentReader reader([](char*, std::size_t) -> std::size_t {
    throw std::system_error(EIO, std::generic_category());
  });
  Document document;
  EXPECT_FALSE(reader.next(document));
  ASSERT_TRUE(reader.failure());
  EXPECT_EQ(reader.failure()->what, "cannot be read: Input/output error");
}

TEST(DocumentReader, LinesByTheirNumber) {
  const Document document{"a\n\nb\n", 7};
  EXPECT_EQ(line_of(document, 6), "");
  EXPECT_EQ(line_of(document, 7), "a");
  EXPECT_EQ(line_of(document, 8), "");
  EXPECT_EQ(line_of(document, 9), "b");
  EXPECT_EQ(line_of(document, 10), "");
}

// --- each document by itself ---

TEST(ReadDocument, WhatIsWrongWithOneCostsThatOne) {
  const auto result = read_documents("a: 1\n---\nb: [\n---\nc: 3\n---\n{\"d\": 4,}\n---\ne: 5\n");
  EXPECT_THAT(result.documents, ElementsAre("{a 1 }", "{c 3 }", "{\"d\" 4 }", "{e 5 }"));
  EXPECT_THAT(result.errors, ElementsAre(HasSubstr("4:1: not YAML")));
}

TEST(ReadDocument, WhatCameBeforeAnErrorDoesNotCount) {
  const auto result = read_documents("items:\n- kind: A\n- kind: B\n- [\n---\nc: 3\n");
  EXPECT_THAT(result.documents, ElementsAre("{c 3 }"));
  EXPECT_THAT(result.errors, SizeIs(1));
}

TEST(ReadDocument, YamlThatLooksLikeJson) {
  EXPECT_THAT(read_documents("{\"a\": b, c: [d, e,], }\n").documents,
              ElementsAre("{\"a\" b c [d e ] }"));
  EXPECT_THAT(read_documents("{\"items\": [{\"kind\": \"A\"}, {kind: B}]}\n").documents,
              ElementsAre("{\"kind\" \"A\" }", "{kind B }", "{\"items\" [] }"));
}

TEST(ReadDocument, TheErrorIsThatOfTheFormat) {
  const std::string commented = "{\n  // a comment\n  \"a\": 1\n}\n";
  EXPECT_THAT(read_documents(commented, true).errors,
              ElementsAre("2:3: not JSON: JSON has no comments; remove them"));
  EXPECT_THAT(read_documents("{\"a\": {\"b\": 1}\n", true).errors,
              ElementsAre(HasSubstr("not JSON: the text ends in the middle of an object")));
  // Here YAML got further.
  EXPECT_THAT(read_documents("{\"a\": b,\n c: @d}\n").errors,
              ElementsAre(HasSubstr("2:5: not YAML")));
}

}  // namespace
}  // namespace clusterdns::registry
