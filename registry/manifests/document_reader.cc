#include "registry/manifests/document_reader.h"

#include <algorithm>
#include <system_error>
#include <tuple>
#include <utility>

#include "registry/manifests/json_documents.h"
#include "registry/manifests/yaml_documents.h"

namespace clusterdns::registry {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// `---` or `...` as a line of its own, or with something behind it.
bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) && (line.size() == marker.size() || line[marker.size()] == ' ' ||
                                      line[marker.size()] == '\t');
}

bool is_blank(std::string_view line) {
  const auto first = line.find_first_not_of(" \t");
  return first == std::string_view::npos || line[first] == '#';
}

// The first octet that no text has (YAML 1.2.2, section 5.1; RFC 8259, section 7).
std::size_t find_control(std::string_view line) {
  const auto at = std::find_if(line.begin(), line.end(), [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return (octet < 0x20 && octet != '\t') || octet == 0x7F;
  });
  return at == line.end() ? std::string_view::npos : static_cast<std::size_t>(at - line.begin());
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code >= 0x110000 || (code >= 0xD800 && code <= 0xDFFF)) code = 0xFFFD;
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += {static_cast<char>(0xC0 | code >> 6), static_cast<char>(0x80 | (code & 0x3F))};
  } else if (code < 0x10000) {
    out += {static_cast<char>(0xE0 | code >> 12), static_cast<char>(0x80 | (code >> 6 & 0x3F)),
            static_cast<char>(0x80 | (code & 0x3F))};
  } else {
    out += {static_cast<char>(0xF0 | code >> 18), static_cast<char>(0x80 | (code >> 12 & 0x3F)),
            static_cast<char>(0x80 | (code >> 6 & 0x3F)), static_cast<char>(0x80 | (code & 0x3F))};
  }
}

}  // namespace

void DocumentReader::fail(std::size_t column, std::string what) {
  failure_ = YamlError{{line_number_, static_cast<std::uint32_t>(column)}, std::move(what)};
  at_end_ = true;
}

void DocumentReader::detect_encoding(std::string_view& raw) {
  struct Mark {
    std::string_view octets;
    Encoding encoding;
  };
  // The longer ones first: UTF-32's begins as UTF-16's.
  static constexpr Mark kMarks[] = {{{"\xff\xfe\0\0", 4}, Encoding::Utf32Le},
                                    {{"\0\0\xfe\xff", 4}, Encoding::Utf32Be},
                                    {{"\xff\xfe", 2}, Encoding::Utf16Le},
                                    {{"\xfe\xff", 2}, Encoding::Utf16Be}};
  encoding_ = Encoding::Utf8;
  for (const Mark& mark : kMarks) {
    if (!raw.starts_with(mark.octets)) continue;
    encoding_ = mark.encoding;
    raw.remove_prefix(mark.octets.size());
    return;
  }
}

void DocumentReader::transcode(std::string_view raw) {
  const bool wide = encoding_ == Encoding::Utf32Le || encoding_ == Encoding::Utf32Be;
  const bool little = encoding_ == Encoding::Utf16Le || encoding_ == Encoding::Utf32Le;
  const std::size_t unit = wide ? 4 : 2;
  partial_ += raw;
  decoded_.clear();
  const auto unit_at = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < unit; ++i) {
      const std::size_t from = little ? unit - 1 - i : i;
      value = value << 8 | static_cast<unsigned char>(partial_[at + from]);
    }
    return value;
  };
  std::size_t at = 0;
  while (partial_.size() - at >= unit) {
    std::uint32_t code = unit_at(at);
    if (!wide && code >= 0xD800 && code <= 0xDBFF) {
      if (partial_.size() - at < 2 * unit) break;
      const std::uint32_t low = unit_at(at + unit);
      if (low >= 0xDC00 && low <= 0xDFFF) {
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        at += unit;
      }
    }
    at += unit;
    append_utf8(decoded_, code);
  }
  partial_.erase(0, at);
  pending_ = decoded_;
}

// Reads on; false at the end of the file.
bool DocumentReader::fill() {
  while (pending_.empty() && !at_end_) {
    std::string_view raw;
    try {
      raw = {raw_.data(), read_(raw_.data(), raw_.size())};
    } catch (const std::system_error& e) {
      line_number_ = 0;
      fail(0, "cannot be read: " + e.code().message());
      return false;
    }
    at_end_ = raw.empty();
    size_ += raw.size();
    if (size_ > kMaxManifestBytes) {
      line_number_ = 0;
      fail(0,
           "larger than " + std::to_string(kMaxManifestBytes / (1024 * 1024)) + " MiB; split it");
      return false;
    }
    if (encoding_ == Encoding::Unknown) detect_encoding(raw);
    if (encoding_ == Encoding::Utf8) {
      pending_ = raw;
    } else {
      transcode(raw);
    }
  }
  return !pending_.empty();
}

bool DocumentReader::read_line(std::string& line) {
  line.clear();
  if (skip_line_feed_ && fill() && pending_[0] == '\n') pending_.remove_prefix(1);
  skip_line_feed_ = false;
  bool any = false;
  while (fill()) {
    any = true;
    const std::size_t end = pending_.find_first_of("\r\n");
    line += pending_.substr(0, end);
    if (end == std::string_view::npos) {
      pending_ = {};
      continue;
    }
    skip_line_feed_ = pending_[end] == '\r';
    pending_.remove_prefix(end + 1);
    break;
  }
  if (!any || failure_) return false;
  ++line_number_;
  if (line.starts_with(kByteOrderMark)) line.erase(0, kByteOrderMark.size());
  if (const std::size_t at = find_control(line); at != std::string_view::npos) {
    static constexpr char kHex[] = "0123456789ABCDEF";
    const auto octet = static_cast<unsigned char>(line[at]);
    fail(at + 1,
         std::string("not text: it has the octet 0x") + kHex[octet >> 4] + kHex[octet & 15]);
    return false;
  }
  return true;
}

bool DocumentReader::next(Document& document) {
  document.text.clear();
  bool begun = false;   // there is text, of directives and comments at least
  bool marked = false;  // a `---` began it
  bool content = false;
  for (;;) {
    if (!std::exchange(has_line_, false) && !read_line(line_)) return content && !failure_;
    if (is_marker(line_, "---")) {
      if (content) {
        has_line_ = true;  // of the next document
        return true;
      }
      if (marked) begun = false;  // that was an empty document
      if (!begun) document.text.clear();
      marked = true;
      content = !is_blank(std::string_view(line_).substr(3));
    } else if (is_marker(line_, "...")) {
      if (content) return true;
      begun = marked = false;
      document.text.clear();
      continue;
    } else if (!is_blank(line_)) {
      // A directive is for the document whose `---` comes next.
      content = content || marked || line_[0] != '%';
    }
    if (!std::exchange(begun, true)) document.first_line = line_number_;
    document.text += line_;
    document.text += '\n';
  }
}

DocumentReader::Read read_from(std::string_view text) {
  return [text](char* to, std::size_t size) mutable {
    const std::size_t got = text.copy(to, size);
    text.remove_prefix(got);
    return got;
  };
}

std::optional<YamlError> read_document(const Document& document, bool is_json,
                                       DocumentVisitor& visitor) {
  std::optional<YamlError> json_error;
  if (const auto offset = find_json(document.text)) {
    visitor.begin_document();
    json_error = read_json(document.text, *offset, document.first_line, visitor);
    if (!json_error) return std::nullopt;
  }
  visitor.begin_document();
  std::optional<YamlError> error = read_yaml(document.text, document.first_line, visitor);
  if (!error || !json_error) return error;
  const bool yaml_got_further = std::tie(error->mark.line, error->mark.column) >
                                std::tie(json_error->mark.line, json_error->mark.column);
  return is_json || !yaml_got_further ? json_error : error;
}

std::string_view line_of(const Document& document, std::uint32_t number) {
  std::string_view rest = document.text;
  if (number < document.first_line) return {};
  for (std::uint32_t line = document.first_line; !rest.empty(); ++line) {
    const std::size_t end = std::min(rest.find('\n'), rest.size() - 1);
    if (line == number) return rest.substr(0, end);
    rest.remove_prefix(end + 1);
  }
  return {};
}

}  // namespace clusterdns::registry
