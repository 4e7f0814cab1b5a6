// The files of a system, at `/` or below another folder, such as that of a container.
//
// Absolute links and `..` lead no further up than the tree's own root, as after chroot(2), but
// nobody needs privileges for it. Every folder on the way is opened by its name in the one before,
// never through a link, so that somebody who changes the tree meanwhile gains nothing.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/base/descriptor.h"

namespace clusterdns::app {

// Octets of a file that is read; what is larger is no configuration.
inline constexpr std::size_t kMostTreeFile = std::size_t{1024} * 1024;

// What a path names. Of a file, all that is put back when it has been changed.
struct TreeEntry {
  enum class Kind : unsigned char { None, File, Link, Folder, Other };
  Kind kind = Kind::None;
  mode_t mode = 0;  // of a file: permissions
  uid_t uid = 0;
  gid_t gid = 0;
  std::string text;  // of a file: what is in it; of a link: where it leads

  [[nodiscard]] bool there() const noexcept { return kind != Kind::None; }
  [[nodiscard]] bool same_content(const TreeEntry& other) const noexcept {
    return kind == other.kind && text == other.text;
  }
};

// All functions throw std::system_error or std::runtime_error; both name the file. Paths are
// absolute, as inside of the tree.
class Tree {
 public:
  explicit Tree(const std::string& root);

  // The root is that of this machine.
  [[nodiscard]] bool is_machine() const noexcept { return machine_; }
  // The path as people know it who are not inside.
  [[nodiscard]] std::string shown(std::string_view path) const;

  // Of a link, the link itself; `follow`: what it leads to.
  enum class Links : bool { Keep, Follow };
  [[nodiscard]] TreeEntry look(std::string_view path, Links links = Links::Keep) const;
  // Something is at the end of all links.
  [[nodiscard]] bool is_there(std::string_view path) const;
  // The names in a folder, sorted; none when it is not there.
  [[nodiscard]] std::vector<std::string> list(std::string_view folder) const;

  // Puts a file or link in the place of what is there, whole or not at all, and on disk when this
  // returns. A file that is mounted there itself, as in containers, cannot be replaced and is
  // written over.
  void put(std::string_view path, const TreeEntry& entry) const;
  // Nothing happens when it is not there.
  void remove(std::string_view path) const;
  // What a put() that was cut short has left beside the file.
  void remove_rest(std::string_view path) const;
  // False: it was there.
  bool make_folder(std::string_view path) const;
  // False: it was not there, or is not empty.
  bool remove_folder(std::string_view path) const;

  // Changes are on disk when functions return; tests, which make thousands, need not wait for that.
  bool durable = true;
  // Called before every change, for tests.
  std::function<void(std::string_view what)> before_change;

 private:
  struct Place {
    dns::Descriptor folder;
    std::string name;
  };
  // nullopt: a folder on the way is not there.
  [[nodiscard]] std::optional<Place> find(std::string_view path, Links links) const;
  [[nodiscard]] Place need(std::string_view path) const;
  void change(std::string_view what) const {
    if (before_change) before_change(what);
  }
  [[noreturn]] void fail(std::string_view path, int error) const;
  void sync(const Place& place, std::string_view path) const;

  std::string root_;
  dns::Descriptor folder_;
  bool machine_ = false;
};

}  // namespace clusterdns::app
