#include "support/temp_dir.h"

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "support/socket.h"

namespace clusterdns::test {

TempDir::TempDir() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "clusterdns-test-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) {
    throw TestError("mkdtemp " + pattern);
  }
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::filesystem::path TempDir::write(std::string_view name, std::string_view text) const {
  const std::filesystem::path file = path_ / name;
  std::filesystem::create_directories(file.parent_path());
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) {
    throw TestError("cannot write " + file.string());
  }
  return file;
}

std::filesystem::path TempDir::replace(std::string_view name, std::string_view text) const {
  const std::filesystem::path fresh = write("." + std::string(name) + ".swp", text);
  std::filesystem::rename(fresh, path_ / name);
  return path_ / name;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw TestError("cannot read " + path.string());
  }
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

}  // namespace clusterdns::test
