// Cuts a file of manifests into its documents, and reads each by itself: what is wrong with one is
// no reason to lose the others.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "registry/manifests/node_tree.h"

namespace clusterdns::registry {

// A manifest of 100,000 endpoints, as kubectl prints it, is some 50 MiB; what is far larger is not
// a manifest.
inline constexpr std::uint64_t kMaxManifestBytes = std::uint64_t{256} * 1024 * 1024;

struct Document {
  std::string text;              // UTF-8, lines end in '\n'
  std::uint32_t first_line = 1;  // of its file
};

// Documents end where YAML says (YAML 1.2.2, section 9.1): at a line that begins with `---` or
// `...`. Such a line cannot stand inside a document, whatever it is in; JSON has none either. A
// byte order mark may begin any line, as go-yaml has it, and UTF-16 and UTF-32 are read by theirs;
// lines may end as on Unix, Windows and old Macs. One document at a time is in memory.
class DocumentReader {
 public:
  // Writes at most `size` octets to `to` and says how many; 0: the end. Throws std::system_error.
  using Read = std::function<std::size_t(char* to, std::size_t size)>;

  explicit DocumentReader(Read read) : read_(std::move(read)) {}

  // False when there is no further document, or failure() says why no further one is read.
  [[nodiscard]] bool next(Document& document);
  // Set when this cannot be read, is not text, or too long a one.
  [[nodiscard]] const std::optional<YamlError>& failure() const noexcept { return failure_; }

 private:
  enum class Encoding : std::uint8_t { Unknown, Utf8, Utf16Le, Utf16Be, Utf32Le, Utf32Be };

  bool read_line(std::string& line);
  bool fill();
  void transcode(std::string_view raw);
  void detect_encoding(std::string_view& raw);
  void fail(std::size_t column, std::string what);

  Read read_;
  std::optional<YamlError> failure_;
  Encoding encoding_ = Encoding::Unknown;
  std::uint64_t size_ = 0;  // octets of the file
  std::array<char, std::size_t{64} * 1024> raw_{};
  std::string decoded_;       // of the other encodings
  std::string partial_;       // octets of a character that is not complete
  std::string_view pending_;  // what is read and not yet handed out
  bool skip_line_feed_ = false;
  bool at_end_ = false;
  std::uint32_t line_number_ = 0;
  std::string line_;  // the next one
  bool has_line_ = false;
};

// Reads from memory; `text` must outlive what is returned.
[[nodiscard]] DocumentReader::Read read_from(std::string_view text);

// Reads a document, as JSON if that is what it looks like, and if that fails as YAML, which may
// look the same. Returns why it cannot be read; what was handed over does not count then. Of the
// reasons of the two formats it is that of JSON when `is_json` (the file's name says so), else that
// of the one which got further.
[[nodiscard]] std::optional<YamlError> read_document(const Document& document, bool is_json,
                                                     DocumentVisitor& visitor);

// The line of that number in the file; empty when the document does not hold it.
[[nodiscard]] std::string_view line_of(const Document& document, std::uint32_t number);

}  // namespace clusterdns::registry
