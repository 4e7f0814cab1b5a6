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

namespace clusterdns::app {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const noexcept { return fd_; }

 private:
  int fd_;
};

std::string reason(int error) { return std::generic_category().message(error); }

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
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    const int error = errno;
    throw ConfigError(blame, "cannot open " + name + ": " + reason(error) +
                                 (error == ENOENT   ? "; check the path"
                                  : error == EACCES ? "; check who may read it"
                                                    : ""));
  }
  struct stat status {};
  if (::fstat(file.get(), &status) == 0 && S_ISDIR(status.st_mode)) {
    throw ConfigError(blame, name + " is a folder; name a file in it, or '" +
                                 (path / "*").string() + "' in an import");
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

bool has_wildcard(const std::string& pattern) {
  return pattern.find_first_of("*?[]") != std::string::npos;
}

}  // namespace clusterdns::app
