#include "app/commands/config_maps.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "app/corefile/error.h"
#include "dns/base/descriptor.h"
#include "registry/files/manifest_files.h"
#include "registry/kubernetes/config.h"
#include "registry/manifests/document_reader.h"

namespace clusterdns::app {
namespace {

using registry::YamlNode;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.push_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view without_indent(std::string_view line) {
  return line.substr(std::min(line.find_first_not_of(' '), line.size()));
}

// The lines below the `|` at `node` as the file has them, with an empty line for each before;
// nullopt when they are not the text of the node, line by line.
std::optional<std::string> in_place(const YamlNode& node,
                                    const std::vector<std::string_view>& file) {
  std::string text(node.mark.line, '\n');
  std::size_t number = node.mark.line;  // the next line, counted from 0
  for (const std::string_view line : lines_of(node.text)) {
    if (number >= file.size()) return std::nullopt;
    const std::string_view raw = file[number++];
    if (without_indent(raw) != without_indent(line) || raw.size() < line.size()) {
      return std::nullopt;
    }
    text.append(raw).append(1, '\n');
  }
  return text;
}

std::string text_of(const YamlNode* node) {
  return node != nullptr && node->is_scalar() ? node->text : "";
}

// Gathers the Corefiles of a document's ConfigMaps.
class ConfigMaps final : public registry::DocumentVisitor {
 public:
  ConfigMaps(std::string file, const std::vector<std::string_view>& lines)
      : file_(std::move(file)), lines_(lines) {}

  void begin_document() override { found_.clear(); }
  void on_object(const YamlNode& object, const YamlNode* list) override {
    // The items of a ConfigMapList need not say what they are.
    if (is_a("ConfigMap", object) ||
        (list != nullptr && is_a("ConfigMapList", *list) && object.find("kind") == nullptr)) {
      read(object);
    }
    if (list != nullptr || !is_a("ConfigMapList", object)) return;
    // It says so behind them.
    const YamlNode* const items = object.find("items");
    if (items == nullptr || !items->is_sequence()) return;
    for (const auto& item : items->children) {
      if (item->find("kind") == nullptr) read(*item);
    }
  }

  [[nodiscard]] const std::vector<EmbeddedCorefile>& found() const noexcept { return found_; }

 private:
  static bool is_a(std::string_view kind, const YamlNode& object) {
    return text_of(object.find("kind")) == kind && text_of(object.find("apiVersion")) == "v1";
  }

  void read(const YamlNode& object) {
    const YamlNode* const metadata = object.find("metadata");
    const std::string name = metadata != nullptr ? text_of(metadata->find("name")) : "";
    const std::string ns = metadata != nullptr ? text_of(metadata->find("namespace")) : "";
    for (const bool binary : {false, true}) {
      const char* const member = binary ? "binaryData" : "data";
      const YamlNode* const data = object.find(member);
      if (data == nullptr || !data->is_map()) continue;
      for (const auto& [key_node, value] : data->entries()) {
        const std::string key = text_of(key_node);
        const bool custom = name.find("dns") != std::string::npos;
        const bool part = custom && key.ends_with(".override");
        if (!value->is_scalar() ||
            (key != "Corefile" && !part && !(custom && key.ends_with(".server")))) {
          continue;
        }
        std::optional<std::string> decoded;
        if (binary && !(decoded = registry::kubernetes::decode_base64(value->text))) continue;
        found_.push_back(corefile_of(
            *value, std::string(member) + "." + key + " of " + (ns.empty() ? "" : ns + "/") + name,
            part, decoded));
      }
    }
  }

  // `decoded`: what the value stands for, if that is not its text.
  EmbeddedCorefile corefile_of(const YamlNode& value, std::string what, bool part,
                               const std::optional<std::string>& decoded) const {
    EmbeddedCorefile found;
    found.at = {file_, static_cast<int>(value.mark.line), static_cast<int>(value.mark.column), {}};
    found.what = std::move(what);
    found.directives_only = part;
    const auto placed = decoded ? std::nullopt : in_place(value, lines_);
    found.in_place = placed.has_value();
    found.text = decoded ? *decoded : placed.value_or(value.text);
    if (part) {
      // Its brace stands on the line of the `|`, so that no line moves.
      const std::size_t line_before = found.in_place ? value.mark.line - 1 : 0;
      found.text.insert(line_before, ".:0 {");
      if (!found.in_place) found.text.insert(5, "\n");
      found.text += "\n}\n";
    }
    return found;
  }

  const std::string file_;
  const std::vector<std::string_view>& lines_;
  std::vector<EmbeddedCorefile> found_;
};

std::string text_of_standard_input() {
  std::string text;
  std::array<char, 65536> piece;
  for (;;) {
    const ssize_t n =
        ::pread(STDIN_FILENO, piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return text;
    text.append(piece.data(), static_cast<std::size_t>(n));
  }
}

std::string text_of_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

[[noreturn]] void fail_to_keep() {
  throw ConfigError({"standard input", 0, 0, {}},
                    "cannot be read: " + std::generic_category().message(errno));
}

}  // namespace

void make_standard_input_repeatable() {
  if (::lseek(STDIN_FILENO, 0, SEEK_CUR) >= 0) return;
  const dns::Descriptor memory(::memfd_create("standard input", MFD_CLOEXEC));
  if (memory.get() < 0) fail_to_keep();
  std::array<char, 65536> piece;
  // One octet more than whoever reads it allows, who then says that it is too large.
  for (std::uint64_t size = 0; size <= registry::kMaxManifestBytes;) {
    const ssize_t n = ::read(STDIN_FILENO, piece.data(), piece.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_to_keep();
    if (n == 0) break;
    if (::write(memory.get(), piece.data(), static_cast<std::size_t>(n)) != n) fail_to_keep();
    size += static_cast<std::uint64_t>(n);
  }
  if (::lseek(memory.get(), 0, SEEK_SET) < 0 || ::dup2(memory.get(), STDIN_FILENO) < 0) {
    fail_to_keep();
  }
}

void for_each_embedded_corefile(const std::filesystem::path& path,
                                const std::function<void(const EmbeddedCorefile&)>& visit) {
  const std::string text =
      path == registry::kStandardInput ? text_of_standard_input() : text_of_file(path);
  const std::vector<std::string_view> lines = lines_of(text);
  registry::DocumentReader reader(registry::read_from(text));
  registry::Document document;
  while (reader.next(document)) {
    ConfigMaps config_maps(path.string(), lines);
    // A syntax error is told by whoever reads the manifests.
    if (registry::read_document(document, path.extension() == ".json", config_maps)) continue;
    for (const EmbeddedCorefile& found : config_maps.found()) visit(found);
  }
}

}  // namespace clusterdns::app
