// A folder of its own for one test, removed with everything in it at the end.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace clusterdns::test {

class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(std::string_view name) const {
    return path_ / name;
  }
  // Writes in place: the same inode when the file is there already.
  std::filesystem::path write(std::string_view name, std::string_view text) const;
  // Writes beside it and renames over, as editors and `kubectl` do.
  std::filesystem::path replace(std::string_view name, std::string_view text) const;

 private:
  std::filesystem::path path_;
};

// The whole file. Throws TestError when it cannot be read.
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

}  // namespace clusterdns::test
