// How systems are told to ask a server for some names only: which files each wants, and how what
// runs hears of them. Nothing here changes anything.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/corefile/arguments.h"
#include "app/setup/domains.h"
#include "app/setup/tree.h"

namespace clusterdns::app {

enum class Backend : unsigned char {
  Resolved,
  NetworkManager,
  Dnsmasq,
  Resolvconf,
  ResolvConf,
  MacOs,
  Windows,
};
// In the order of Backend.
inline constexpr std::array<std::string_view, 7> kBackendNames = {
    "resolved", "networkmanager", "dnsmasq", "resolvconf", "resolv.conf", "macos", "windows"};

[[nodiscard]] std::string_view name_of(Backend backend) noexcept;
// nullopt: there is none of this name.
[[nodiscard]] std::optional<Backend> backend_of(std::string_view name) noexcept;
// It has no zones, so that every name comes to the server, and no ports.
[[nodiscard]] constexpr bool takes_all(Backend backend) noexcept {
  return backend == Backend::Resolvconf || backend == Backend::ResolvConf;
}

// A tree, with what an earlier setup changed as it was before.
class TreeView {
 public:
  explicit TreeView(const Tree& tree) : tree_(&tree) {}
  virtual ~TreeView() = default;
  TreeView(const TreeView&) = delete;
  TreeView& operator=(const TreeView&) = delete;

  [[nodiscard]] TreeEntry look(std::string_view path) const;
  // Links are followed.
  [[nodiscard]] TreeEntry read(std::string_view path) const;
  [[nodiscard]] const Tree& tree() const noexcept { return *tree_; }

 private:
  // What an earlier setup changed; nullptr: it did not.
  [[nodiscard]] virtual const TreeEntry* before(std::string_view) const { return nullptr; }

  const Tree* tree_;
};

// A file or link as it shall be.
struct FileChange {
  std::string path;
  std::string text;
  bool link = false;
};

using CommandWords = std::vector<std::string>;
// What tells running programs; only for trees that are those of this machine.
struct SystemCommands {
  std::vector<CommandWords> apply;        // behind the files
  std::vector<CommandWords> before_undo;  // before the files are as they were
  std::vector<CommandWords> after_undo;
};

struct SetupPlan {
  Backend backend = Backend::ResolvConf;
  HostPort server;
  std::vector<RoutedDomain> domains;
  std::vector<FileChange> files;
  SystemCommands commands;
  std::vector<std::string> notes;  // what people should know
};

[[nodiscard]] Backend detect_backend(const TreeView& view);

// Throws std::runtime_error when that cannot be done: what is in the way, and what to do.
[[nodiscard]] SetupPlan make_plan(Backend backend, const HostPort& server,
                                  std::vector<RoutedDomain> domains, const TreeView& view);

// Of a setup that wrote these files.
[[nodiscard]] SystemCommands commands_for(Backend backend, const HostPort& server,
                                          const std::vector<std::string>& paths);

// `text` of a resolv.conf with this nameserver before all others.
[[nodiscard]] std::string with_first_nameserver(const std::string& text,
                                                const std::string& address);

inline constexpr std::string_view kResolvConfPath = "/etc/resolv.conf";
// The folder of what setup has done; nothing else is in it.
inline constexpr std::string_view kSetupFolder = "/var/lib/clusterdns/setup";
inline constexpr std::string_view kSetupInterface = "clusterdns0";

}  // namespace clusterdns::app
