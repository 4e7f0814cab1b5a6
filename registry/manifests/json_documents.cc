#include "registry/manifests/json_documents.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/error.hpp>
#include <limits>
#include <string>

#include "registry/json_text.h"

namespace clusterdns::registry {
namespace {

namespace json = boost::json;
using boost::system::error_code;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_structural(char c) {
  return c == '{' || c == '}' || c == '[' || c == ']' || c == ',' || c == ':';
}

std::size_t skip_space(std::string_view text, std::size_t at) {
  while (at < text.size() && is_space(text[at])) ++at;
  return at;
}

// Boost.JSON's events as nodes. The parser does not say where it is; the reader sets the mark
// before it feeds a token.
class Handler {
 public:
  constexpr static std::size_t max_object_size = std::numeric_limits<std::size_t>::max();
  constexpr static std::size_t max_array_size = max_object_size;
  constexpr static std::size_t max_key_size = max_object_size;
  constexpr static std::size_t max_string_size = max_object_size;

  explicit Handler(NodeBuilder& builder) : builder_(builder) {}
  YamlMark mark;

  bool on_document_begin(error_code&) {
    builder_.begin();
    return true;
  }
  bool on_document_end(error_code&) {
    builder_.end();
    return true;
  }
  bool on_object_begin(error_code&) { return open(YamlNode::Kind::Map); }
  bool on_object_end(std::size_t, error_code&) { return close(); }
  bool on_array_begin(error_code&) { return open(YamlNode::Kind::Sequence); }
  bool on_array_end(std::size_t, error_code&) { return close(); }
  bool on_key_part(json::string_view part, std::size_t, error_code&) { return add_part(part); }
  bool on_key(json::string_view part, std::size_t, error_code&) { return scalar(part, true); }
  bool on_string_part(json::string_view part, std::size_t, error_code&) { return add_part(part); }
  bool on_string(json::string_view part, std::size_t, error_code&) { return scalar(part, true); }
  bool on_number_part(json::string_view part, error_code&) { return add_part(part); }
  bool on_int64(std::int64_t, json::string_view part, error_code&) { return scalar(part, false); }
  bool on_uint64(std::uint64_t, json::string_view part, error_code&) { return scalar(part, false); }
  bool on_double(double, json::string_view part, error_code&) { return scalar(part, false); }
  bool on_bool(bool value, error_code&) { return scalar(value ? "true" : "false", false); }
  bool on_null(error_code&) {
    builder_.null(mark);
    return true;
  }
  bool on_comment_part(json::string_view, error_code&) { return true; }
  bool on_comment(json::string_view, error_code&) { return true; }

 private:
  bool open(YamlNode::Kind kind) {
    builder_.open(kind, mark);
    return true;
  }
  bool close() {
    builder_.close();
    return true;
  }
  bool add_part(json::string_view part) {
    parts_.append(part.data(), part.size());
    return true;
  }
  bool scalar(json::string_view last, bool quoted) {
    add_part(last);
    builder_.scalar(mark, std::move(parts_), quoted);
    parts_.clear();
    return true;
  }

  NodeBuilder& builder_;
  std::string parts_;
};

class Reader {
 public:
  Reader(std::string_view text, std::size_t offset, std::uint32_t first_line,
         DocumentVisitor& visitor, std::size_t max_octets)
      : text_(text), at_(offset), builder_(visitor, max_octets), line_(first_line) {
    const std::string_view before = text.substr(0, offset);
    line_ += static_cast<std::uint32_t>(std::count(before.begin(), before.end(), '\n'));
    if (const auto end = before.rfind('\n'); end != std::string_view::npos) line_start_ = end + 1;
  }

  std::optional<YamlError> run() {
    for (pass_space(); at_ < text_.size(); pass_space()) {
      if (auto error = read_one()) return error;
    }
    return std::nullopt;
  }

 private:
  using Parser = json::basic_parser<Handler>;

  static json::parse_options options() {
    json::parse_options how;
    // NodeBuilder has the limit; this one only has to be behind it.
    how.max_depth = 2 * kMaxYamlDepth;
    how.allow_invalid_utf8 = true;  // as Go reads it; names are looked at closer
    return how;
  }

  void pass_space() { pass_to(skip_space(text_, at_)); }

  // Goes on to `to`, counting lines.
  void pass_to(std::size_t to) {
    for (; at_ < to; ++at_) {
      if (text_[at_] != '\n') continue;
      ++line_;
      line_start_ = at_ + 1;
    }
  }

  YamlMark mark() const { return {line_, static_cast<std::uint32_t>(at_ - line_start_) + 1}; }

  // The end of the piece that begins at `at_`: a token, and what divides it from the next one.
  std::size_t piece_end() const {
    std::size_t end = at_;
    while (end < text_.size()) {
      const char c = text_[end++];
      if (is_structural(c)) break;
      if (c != '"') continue;
      while (end < text_.size() && text_[end] != '"') end += text_[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text_.size());
    }
    return end;
  }

  std::optional<YamlError> read_one() {
    Parser parser(options(), builder_);
    error_code error;
    while (!parser.done()) {
      pass_space();
      parser.handler().mark = mark();
      const std::size_t end = piece_end();
      const bool more = end < text_.size();
      const std::size_t used = parser.write_some(more, text_.data() + at_, end - at_, error);
      if (error) {
        pass_to(at_ + used);
        return YamlError{mark(), "not JSON: " + reason(error)};
      }
      pass_to(end);
    }
    return std::nullopt;
  }

  std::string reason(const error_code& error) const {
    const std::string_view rest = text_.substr(at_);
    if (rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with("#")) {
      return "JSON has no comments; remove them";
    }
    if (rest.empty()) return "the text ends in the middle of an object";
    if (rest[0] == '}' || rest[0] == ']') {
      std::size_t before = at_;
      while (before > 0 && is_space(text_[before - 1])) --before;
      if (before > 0 && text_[before - 1] == ',') {
        return "a comma before the closing bracket; remove it";
      }
    }
    return error.message();
  }

  std::string_view text_;
  std::size_t at_;
  NodeBuilder builder_;
  std::uint32_t line_;
  std::size_t line_start_ = 0;  // offset
};

}  // namespace

std::optional<std::size_t> find_json(std::string_view text) {
  std::size_t at = 0;
  if (text.starts_with("---")) at = 3;
  for (;;) {
    at = skip_space(text, at);
    if (at == text.size()) return std::nullopt;
    if (text[at] != '#') break;
    const std::size_t end = text.find('\n', at);
    if (end == std::string_view::npos) return std::nullopt;
    at = end;
  }
  const std::size_t next = skip_space(text, at + 1);
  const char c = next < text.size() ? text[next] : '\0';
  if (text[at] == '{' && (c == '"' || c == '}' || c == '/')) return at;
  if (text[at] == '[' && (c == '{' || c == '[' || c == '"' || c == ']')) return at;
  return std::nullopt;
}

std::optional<YamlError> read_json(std::string_view text, std::size_t offset,
                                   std::uint32_t first_line, DocumentVisitor& visitor,
                                   std::size_t max_octets) {
  std::string mended;
  if (has_lone_surrogates(text)) {
    mended = text;
    replace_lone_surrogates(mended);
    text = mended;
  }
  try {
    return Reader(text, offset, first_line, visitor, max_octets).run();
  } catch (const LimitExceeded& limit) {
    return limit.error;
  }
}

}  // namespace clusterdns::registry
