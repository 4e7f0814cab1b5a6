// Changing a system so that all of it can be undone, whenever it is cut short.
//
// What will be changed, and what was there before, is on disk before the first change. Each file is
// replaced as a whole, so that it is always found as it was or as it shall be; whatever else it is,
// somebody else has written since, and that stays.
#pragma once

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/setup/backends.h"
#include "app/setup/tree.h"

namespace clusterdns::app {

// What setup did to a tree, or was about to do.
struct SetupRecord {
  enum class State : unsigned char {
    Begun,     // nothing is changed yet
    Changing,  // some files may be, in order
    Done,
    Undoing,  // some files may be as before, from the last one on
    Undone,   // all are; what is left is the record
  };
  struct File {
    std::string path;
    TreeEntry before, after;
    std::string saved;  // the file that has what was there before, or if nothing was, what we wrote
    bool let_go = false;  // somebody has removed that: the file is theirs now
  };

  State state = State::Begun;
  Backend backend = Backend::ResolvConf;
  HostPort server;
  std::vector<std::string> domains;
  std::vector<std::string> own_folders;  // made for the record, outermost first
  std::vector<std::string> folders;      // made for the files, outermost first
  std::vector<File> files;
};

// nullopt: nothing was set up. Throws std::runtime_error when it cannot be read, or when somebody
// could have written it who is neither root nor us.
[[nodiscard]] std::optional<SetupRecord> load_record(const Tree& tree);

// The tree as it was before.
class TreeBefore final : public TreeView {
 public:
  // `record` may be nullptr, and outlives this.
  TreeBefore(const Tree& tree, const SetupRecord* record) : TreeView(tree), record_(record) {}

 private:
  [[nodiscard]] const TreeEntry* before(std::string_view path) const override;

  const SetupRecord* record_;
};

// Runs a command of a plan; its output is the user's. False: it failed.
using CommandRunner = std::function<bool(const CommandWords&)>;

// Somebody has changed files since, which stay as they are; what() has a line for each.
class ChangedSince : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// The plan is what the record says, and nobody has changed anything since.
[[nodiscard]] bool is_as_planned(const Tree& tree, const SetupRecord& record,
                                 const SetupPlan& plan);

// Does it. When that fails, all is as before, unless that failed, too, and the exception says so.
// REQUIRES: there is no record.
void apply_plan(const Tree& tree, const SetupPlan& plan, const CommandRunner& run);

// Makes everything as it was, as far as nobody else has changed it: throws ChangedSince at the end
// otherwise. What commands failed are returned: files are as they were all the same. Does what is
// left to do when it is called again.
std::vector<CommandWords> undo(const Tree& tree, SetupRecord record, const CommandRunner& run);

// Removes what is left of a setup or unsetup that was cut short when there was no record yet, or
// none any more.
void remove_rest_of_record(const Tree& tree);

}  // namespace clusterdns::app
