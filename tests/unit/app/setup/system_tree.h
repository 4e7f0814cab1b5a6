// A system's files in a folder of the test, and how they are compared.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>

#include "tests/unit/app/folder.h"

namespace clusterdns::app {

// Every path with its kind, mode, owner and content, or where it leads.
using Snapshot = std::map<std::string, std::string>;

class SystemTree {
 public:
  [[nodiscard]] std::string path() const { return folder_.path(); }
  void write(const std::string& path, const std::string& text, mode_t mode = 0644) const {
    folder_.write(path.substr(1), text);
    EXPECT_EQ(::chmod(at(path).c_str(), mode), 0);
  }
  void link(const std::string& path, const std::string& target) const {
    std::filesystem::create_directories(std::filesystem::path(at(path)).parent_path());
    std::filesystem::create_symlink(target, at(path));
  }
  void folder(const std::string& path) const { std::filesystem::create_directories(at(path)); }
  [[nodiscard]] std::string read(const std::string& path) const {
    std::ifstream in(at(path), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  [[nodiscard]] bool there(const std::string& path) const {
    return std::filesystem::exists(std::filesystem::symlink_status(at(path)));
  }
  [[nodiscard]] std::string at(const std::string& path) const { return folder_.path() + path; }

  [[nodiscard]] Snapshot snapshot() const {
    Snapshot all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_.path())) {
      struct stat status {};
      EXPECT_EQ(::lstat(entry.path().c_str(), &status), 0);
      std::string text = std::to_string(status.st_mode) + " " + std::to_string(status.st_uid) +
                         " " + std::to_string(status.st_gid);
      if (entry.is_symlink()) {
        text += " -> " + std::filesystem::read_symlink(entry.path()).string();
      } else if (entry.is_regular_file()) {
        std::ifstream in(entry.path(), std::ios::binary);
        text += " " + std::string(std::istreambuf_iterator<char>(in), {});
      }
      all[entry.path().string().substr(folder_.path().size())] = text;
    }
    return all;
  }

 private:
  Folder folder_;
};

}  // namespace clusterdns::app
