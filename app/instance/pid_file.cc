#include "app/instance/pid_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <utility>

#include "dns/base/writable_file.h"
#include "registry/files/regular_file.h"

namespace clusterdns::app {
namespace {

constexpr mode_t kMode = 0644;
constexpr std::size_t kMaxSize = 64;  // octets of a file that could be ours

// The file was made for us in a folder that is not ours: nobody but the folder's owner can have put
// a link there, and O_NOFOLLOW takes none from them.
bool overwrite(const std::string& path, const std::string& content) {
  const auto file = dns::open_regular_file(path, O_TRUNC);
  return file && ::write(file->get(), content.data(), content.size()) ==
                     static_cast<ssize_t>(content.size());
}

}  // namespace

PidFile::PidFile(std::string path)
    : path_(std::move(path)), content_(std::to_string(::getpid()) + "\n") {
  if (path_.empty()) return;
  registry::remove_leftovers(path_);
  const std::string problem = registry::replace_file(path_, content_, kMode);
  if (problem.empty()) return;
  const std::filesystem::path folder = std::filesystem::path(path_).parent_path();
  const bool may_replace = ::access(folder.empty() ? "." : folder.c_str(), W_OK) == 0;
  if (!may_replace && overwrite(path_, content_)) return;
  throw std::runtime_error("cannot write the pid file " + problem);
}

PidFile::~PidFile() {
  if (path_.empty()) return;
  const auto now = registry::read_regular_file(path_, kMaxSize);
  if (now && *now == content_) (void)::unlink(path_.c_str());
}

}  // namespace clusterdns::app
