#include "registry/manifests/yaml_documents.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <istream>
#include <streambuf>
#include <string>
#include <utility>

#include "registry/manifests/scalar.h"
#include "registry/shown_text.h"

namespace clusterdns::registry {
namespace {

// Reads from where the text is.
class ViewBuffer : public std::streambuf {
 public:
  explicit ViewBuffer(std::string_view text) {
    char* const begin = const_cast<char*>(text.data());  // setg() wants it; nothing writes
    setg(begin, begin, begin + text.size());
  }
};

// The tags that say "not a string" to a quoted word, too (YAML 1.2.2, section 10.3).
bool is_typed_tag(std::string_view tag) {
  constexpr std::string_view kCore = "tag:yaml.org,2002:";
  if (!tag.starts_with(kCore)) return false;
  tag.remove_prefix(kCore.size());
  return tag == "int" || tag == "float" || tag == "bool" || tag == "null";
}

class Handler : public YAML::EventHandler {
 public:
  Handler(std::uint32_t first_line, DocumentVisitor& visitor)
      : builder_(visitor), lines_before_(first_line - 1) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // yaml-cpp never gets past a comma between documents: it would report empty ones for ever.
    if (mark.pos == last_start_) {
      throw LimitExceeded{{to_mark(mark), "not YAML: a comma outside of [ ] and { }"}};
    }
    last_start_ = mark.pos;
    builder_.begin();
  }
  void OnDocumentEnd() override { builder_.end(); }

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.null(to_mark(mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    builder_.alias(to_mark(mark), anchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag.empty() || tag == "?" || is_typed_tag(tag);
    if (plain && resolve_scalar(value).type == Scalar::Type::Null) {
      return builder_.null(to_mark(mark), anchor);
    }
    builder_.scalar(to_mark(mark), value, !plain, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    builder_.open(YamlNode::Kind::Sequence, to_mark(mark), anchor);
  }
  void OnSequenceEnd() override { builder_.close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    builder_.open(YamlNode::Kind::Map, to_mark(mark), anchor);
  }
  void OnMapEnd() override { builder_.close(); }

  YamlMark to_mark(const YAML::Mark& mark) const {
    if (mark.is_null()) return {};
    return {lines_before_ + static_cast<std::uint32_t>(mark.line) + 1,
            static_cast<std::uint32_t>(mark.column) + 1};
  }

 private:
  NodeBuilder builder_;
  std::uint32_t lines_before_;
  int last_start_ = -1;  // offset of the document before
};

// YAML 1.2.2, section 5.2. yaml-cpp would take such octets for text.
std::optional<YamlError> find_not_utf8(std::string_view text, std::uint32_t first_line) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  const std::size_t at = find_invalid_utf8(text);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view before = text.substr(0, at);
  const auto lines = std::count(before.begin(), before.end(), '\n');
  const std::size_t column = at - (before.rfind('\n') + 1);  // npos + 1 is 0
  const auto octet = static_cast<std::uint8_t>(text[at]);
  return YamlError{
      {first_line + static_cast<std::uint32_t>(lines), static_cast<std::uint32_t>(column) + 1},
      std::string("not UTF-8: the octet 0x") + kHex[octet >> 4] + kHex[octet & 15] +
          " cannot stand here; save the file as UTF-8"};
}

}  // namespace

std::optional<YamlError> read_yaml(std::string_view text, std::uint32_t first_line,
                                   DocumentVisitor& visitor) {
  if (const auto error = find_not_utf8(text, first_line)) return error;
  Handler handler(first_line, visitor);
  try {
    ViewBuffer buffer(text);
    std::istream input(&buffer);
    YAML::Parser parser(input);
    while (parser.HandleNextDocument(handler)) {
    }
  } catch (const LimitExceeded& limit) {
    return limit.error;
  } catch (const YAML::Exception& error) {
    return YamlError{handler.to_mark(error.mark), "not YAML: " + error.msg};
  }
  return std::nullopt;
}

}  // namespace clusterdns::registry
