#include "app/corefile/files.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>

#include "app/corefile/error.h"
#include "app/corefile/limits.h"
#include "dns/base/descriptor.h"

namespace clusterdns::app {
namespace {

std::string reason(int error) { return std::generic_category().message(error); }

// The first line that is neither a comment nor a mark of YAML, without white space around it.
std::string_view first_line(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  constexpr std::string_view kBlank = " \t\r";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
    line = line.substr(0, line.find_last_not_of(kBlank) + 1);
    if (!line.empty() && !line.starts_with('#') && !line.starts_with("---") &&
        !line.starts_with('%')) {
      return line;
    }
  }
  return {};
}

std::string escape_wildcards(const std::string& path) {
  std::string result;
  for (const char c : path) {
    if (c == '*' || c == '?' || c == '[' || c == ']' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

std::string read_config_file(const std::filesystem::path& path, const Position& blame) {
  const std::string name = "'" + path.string() + "'";
  const dns::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) {
    const int error = errno;
    throw ConfigError(blame, "cannot open " + name + ": " + reason(error) +
                                 (error == ENOENT   ? "; check the path"
                                  : error == EACCES ? "; check its permissions"
                                                    : ""));
  }
  struct stat status {};
  const bool known = ::fstat(file.get(), &status) == 0;
  if (known && S_ISDIR(status.st_mode)) {
    throw ConfigError(blame, name + " is a folder; name a file in it, or '" +
                                 (path / "*").string() + "' in an import" +
                                 (blame.line == 0 ? "; manifests in it are served by `clusterdns "
                                                    "serve -m " +
                                                        path.string() + "`"
                                                  : ""));
  }
  if (known && !S_ISREG(status.st_mode)) {
    // A FIFO somebody put there would hold up whoever reads it, for ever. /dev/fd/63 and the like
    // are the pipe of a shell, `check <(kubectl …)`, whose other end is there.
    const std::string native = path.native();
    if (!native.starts_with("/dev/") && !native.starts_with("/proc/")) {
      throw ConfigError(blame,
                        name + " is not a regular file; name a file, or `-` for standard input");
    }
    ::fcntl(file.get(), F_SETFL, ::fcntl(file.get(), F_GETFL) & ~O_NONBLOCK);
  }
  std::string text;
  std::array<char, 65536> buffer;
  for (;;) {
    const ssize_t count = ::read(file.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw ConfigError(blame, "cannot read " + name + ": " + reason(errno));
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<std::size_t>(count));
    if (text.size() > kMaxCorefileSize) {
      throw ConfigError(blame, name + " is larger than " + std::to_string(kMaxCorefileSize) +
                                   " octets; check that it is a Corefile");
    }
  }
}

std::vector<std::filesystem::path> matching_files(const std::filesystem::path& folder,
                                                  const std::string& pattern) {
  const std::filesystem::path wanted(pattern);
  const std::string whole = wanted.is_absolute() || folder.empty()
                                ? pattern
                                : escape_wildcards(folder.string() + "/") + pattern;
  ::glob_t found{};
  std::vector<std::filesystem::path> files;
  // Sorted below: glob's own order depends on the locale.
  if (::glob(whole.c_str(), GLOB_NOSORT, nullptr, &found) == 0) {
    for (std::size_t i = 0; i < found.gl_pathc; ++i) {
      std::filesystem::path path(found.gl_pathv[i]);
      std::error_code ignored;
      if (!std::filesystem::is_directory(path, ignored)) {
        files.push_back(path.lexically_normal());
      }
    }
  }
  ::globfree(&found);
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.native() < b.native(); });
  return files;
}

bool looks_like_manifest(std::string_view text) {
  const std::string_view line = first_line(text);
  for (const std::string_view key : {"apiVersion:", "kind:", "metadata:", "\"apiVersion\":"}) {
    if (line.starts_with(key)) return true;
  }
  // A JSON object; no Corefile begins with a brace.
  if (!line.starts_with('{')) return false;
  return text.find("\"apiVersion\"") != std::string_view::npos ||
         text.find("\"kind\"") != std::string_view::npos;
}

bool looks_like_corefile(std::string_view text) {
  const std::string_view line = first_line(text);
  if (line.starts_with("import ")) return true;
  if (!line.ends_with(" {") || line.starts_with('{')) return false;
  // "key: {" is YAML.
  return line.find(": ") == std::string_view::npos && line.front() != '-' && line.front() != '"';
}

std::string beginning_of(const std::filesystem::path& path) {
  constexpr std::size_t kEnough = 64 * 1024;
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) return {};
  const dns::Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  std::string text(kEnough, '\0');
  const ssize_t count = file.get() < 0 ? -1 : ::read(file.get(), text.data(), text.size());
  text.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  return text;
}

bool has_wildcard(const std::string& pattern) {
  return pattern.find_first_of("*?[]") != std::string::npos;
}

}  // namespace clusterdns::app
