#include "app/setup/changes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include "app/base/json.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;
using Kind = TreeEntry::Kind;
using State = SetupRecord::State;

constexpr std::int64_t kVersion = 1;
constexpr mode_t kFileMode = 0644;
constexpr mode_t kSavedMode = 0600;  // what was there may be secret
constexpr std::array<std::string_view, 5> kStates = {"begun", "changing", "done", "undoing",
                                                     "undone"};
constexpr std::array<std::string_view, 3> kKinds = {"none", "file", "link"};

std::string record_path() { return std::string(kSetupFolder) + "/record.json"; }
std::string saved_path(std::size_t index, std::string_view when) {
  return fmt::format("{}/{}-{}", kSetupFolder, index, when);
}

// The folders above a path, outermost first.
std::vector<std::string> folders_of(std::string_view path) {
  std::vector<std::string> folders;
  for (std::size_t at = path.find('/', 1); at != std::string_view::npos;
       at = path.find('/', at + 1)) {
    folders.emplace_back(path.substr(0, at));
  }
  return folders;
}

TreeEntry file_of(std::string text, mode_t mode) {
  TreeEntry entry;
  entry.kind = Kind::File;
  entry.mode = mode;
  entry.uid = ::geteuid();
  entry.gid = ::getegid();
  entry.text = std::move(text);
  return entry;
}

json::object entry_value(const TreeEntry& entry) {
  return {{"kind", json_text(kKinds[static_cast<std::size_t>(entry.kind)])},
          {"mode", fmt::format("{:04o}", entry.mode)},
          {"uid", entry.uid},
          {"gid", entry.gid}};
}

TreeEntry entry_of(const json::value& value) {
  const json::object& object = value.as_object();
  TreeEntry entry;
  const auto kind = std::find(kKinds.begin(), kKinds.end(), text_member(object, "kind"));
  if (kind == kKinds.end()) throw std::runtime_error("what is 'kind'?");
  entry.kind = static_cast<Kind>(kind - kKinds.begin());
  const std::string mode = text_member(object, "mode");
  constexpr int kOctal = 8;
  if (std::from_chars(mode.data(), mode.data() + mode.size(), entry.mode, kOctal).ec !=
      std::errc()) {
    throw std::runtime_error("what is 'mode'?");
  }
  entry.uid = object.at("uid").to_number<uid_t>();
  entry.gid = object.at("gid").to_number<gid_t>();
  return entry;
}

void store(const Tree& tree, const SetupRecord& record) {
  json::array files;
  for (const SetupRecord::File& file : record.files) {
    files.emplace_back(json::object{{"path", json_text(file.path)},
                                    {"before", entry_value(file.before)},
                                    {"after", entry_value(file.after)},
                                    {"saved", json_text(file.saved)}});
  }
  const json::object value{{"version", kVersion},
                           {"state", json_text(kStates[static_cast<std::size_t>(record.state)])},
                           {"backend", json_text(name_of(record.backend))},
                           {"server", json_text(record.server.to_string())},
                           {"domains", json_texts(record.domains)},
                           {"own_folders", json_texts(record.own_folders)},
                           {"folders", json_texts(record.folders)},
                           {"files", std::move(files)}};
  tree.put(record_path(), file_of(json_page(value), kFileMode));
}

// Nobody else may have written what is put into /etc.
void check_trusted(const Tree& tree, const std::string& path, const TreeEntry& entry) {
  if (entry.kind != Kind::File) throw std::runtime_error(tree.shown(path) + ": it is not a file");
  const bool trusted =
      (entry.uid == 0 || entry.uid == ::geteuid()) && (entry.mode & (S_IWGRP | S_IWOTH)) == 0;
  if (trusted) return;
  throw std::runtime_error(tree.shown(path) +
                           ": others than root and you may write it, so it is not believed");
}

// A record says which files are written: it may name none but those that setup writes.
void check_path(const std::string& path) {
  const bool ours = path.find("/../") == std::string::npos && !path.ends_with("/..") &&
                    (path.starts_with("/etc/") || path.starts_with("/var/lib/clusterdns/") ||
                     path.starts_with("/clusterdns-"));
  if (!ours) throw std::runtime_error(in_quotes(path) + " is no file of a setup");
}

SetupRecord record_of(const Tree& tree, const std::string& text) {
  const json::value value = json::parse(text);
  const json::object& object = value.as_object();
  if (object.at("version").to_number<std::int64_t>() != kVersion) {
    throw std::runtime_error("another version of clusterdns has written it; undo it with that one");
  }
  SetupRecord record;
  const auto state = std::find(kStates.begin(), kStates.end(), text_member(object, "state"));
  if (state == kStates.end()) throw std::runtime_error("what is 'state'?");
  record.state = static_cast<State>(state - kStates.begin());
  const auto backend = backend_of(text_member(object, "backend"));
  if (!backend) throw std::runtime_error("what is 'backend'?");
  record.backend = *backend;
  record.server = parse_host_port({text_member(object, "server"), {"server", 0, 0}, false}, 0);
  record.domains = texts_member(object, "domains");
  record.own_folders = texts_member(object, "own_folders");
  record.folders = texts_member(object, "folders");
  for (const json::value& each : object.at("files").as_array()) {
    const json::object& member = each.as_object();
    SetupRecord::File file{text_member(member, "path"), entry_of(member.at("before")),
                           entry_of(member.at("after")), text_member(member, "saved")};
    check_path(file.path);
    // Numbers of the saved files are those at which the files stood when they were changed.
    const std::string_view saved = file.saved;
    const std::size_t dash = saved.rfind('-');
    if (!saved.starts_with(kSetupFolder) || dash == std::string_view::npos) {
      throw std::runtime_error("what is 'saved'?");
    }
    const std::string stem(saved.substr(0, dash));
    const TreeEntry before = tree.look(stem + "-before");
    const TreeEntry after = tree.look(stem + "-after");
    for (const TreeEntry* const entry : {&before, &after}) {
      if (entry->there()) check_trusted(tree, stem, *entry);
    }
    file.before.text = before.text;
    file.after.text = after.text;
    file.let_go = !tree.look(file.saved).there();
    record.files.push_back(std::move(file));
  }
  return record;
}

// While files are written over, as those that are mounted must be, a beginning of one is no change
// of somebody else's.
bool is_beginning(const TreeEntry& now, const TreeEntry& whole) {
  return now.kind == Kind::File && whole.kind == Kind::File && whole.text.starts_with(now.text);
}

void remove_saved(const Tree& tree, const SetupRecord::File& file) {
  const std::string stem = file.saved.substr(0, file.saved.rfind('-'));
  for (const char* const when : {"-before", "-after"}) {
    tree.remove_rest(stem + when);
    if (tree.look(stem + when).there()) tree.remove(stem + when);
  }
}

std::string changed_since(const Tree& tree, const SetupRecord::File& file) {
  const bool was = file.before.there();
  return fmt::format(
      "{} was changed since and stays as it is; {} is in {}: {}, or remove {} to keep the file, "
      "then run `clusterdns unsetup` again",
      tree.shown(file.path), was ? "what was there before" : "what setup wrote",
      tree.shown(file.saved), was ? "put that back" : "remove the file", tree.shown(file.saved));
}

// The folder of the record, which nobody else may have made meanwhile; and those above it.
std::vector<std::string> make_own_folders(const Tree& tree) {
  std::vector<std::string> made;
  try {
    for (const std::string& folder : folders_of(record_path())) {
      if (tree.is_there(folder) && folder != kSetupFolder) continue;
      if (tree.make_folder(folder)) {
        made.push_back(folder);
      } else if (folder == kSetupFolder) {
        throw std::runtime_error(tree.shown(folder) +
                                 ": another setup is under way; wait for its end");
      }
    }
  } catch (const std::exception& e) {
    for (auto folder = made.rbegin(); folder != made.rend(); ++folder) {
      (void)tree.remove_folder(*folder);
    }
    throw std::runtime_error(std::string(e.what()) + "; nothing is changed");
  }
  return made;
}

}  // namespace

std::optional<SetupRecord> load_record(const Tree& tree) {
  const std::string path = record_path();
  const TreeEntry entry = tree.look(path);
  if (!entry.there()) return std::nullopt;
  check_trusted(tree, path, entry);
  try {
    return record_of(tree, entry.text);
  } catch (const std::system_error&) {
    throw;
  } catch (const std::exception& e) {
    throw std::runtime_error(tree.shown(path) + ": " + e.what());
  }
}

const TreeEntry* TreeBefore::before(std::string_view path) const {
  if (record_ == nullptr) return nullptr;
  for (const SetupRecord::File& file : record_->files) {
    if (file.path == path && !file.let_go) return &file.before;
  }
  return nullptr;
}

bool is_as_planned(const Tree& tree, const SetupRecord& record, const SetupPlan& plan) {
  if (record.state != State::Done || record.backend != plan.backend ||
      !(record.server == plan.server)) {
    return false;
  }
  // A file that was as it should be already is in no record.
  std::size_t recorded = 0;
  for (const FileChange& file : plan.files) {
    const auto at = std::find_if(record.files.begin(), record.files.end(),
                                 [&](const auto& each) { return each.path == file.path; });
    if (at != record.files.end()) ++recorded;
    const TreeEntry now = tree.look(file.path);
    if (now.text != file.text || now.kind != (file.link ? Kind::Link : Kind::File)) return false;
  }
  return recorded == record.files.size();
}

void apply_plan(const Tree& tree, const SetupPlan& plan, const CommandRunner& run) {
  remove_rest_of_record(tree);
  SetupRecord record;
  record.backend = plan.backend;
  record.server = plan.server;
  for (const RoutedDomain& domain : plan.domains) record.domains.push_back(domain.name);
  record.own_folders = make_own_folders(tree);
  try {
    store(tree, record);

    for (const FileChange& change : plan.files) {
      SetupRecord::File file;
      file.path = change.path;
      file.before = tree.look(change.path);
      if (file.before.kind == Kind::Folder || file.before.kind == Kind::Other) {
        throw std::runtime_error(tree.shown(change.path) + ": it is not a file; move it away");
      }
      const bool was_file = file.before.kind == Kind::File;
      file.after = file_of(change.text, was_file ? file.before.mode : kFileMode);
      if (was_file) {
        file.after.uid = file.before.uid;
        file.after.gid = file.before.gid;
      }
      if (change.link) file.after.kind = Kind::Link;
      if (file.before.same_content(file.after)) continue;
      const std::size_t number = record.files.size();
      file.saved = saved_path(number, file.before.there() ? "before" : "after");
      if (file.before.there()) {
        tree.put(saved_path(number, "before"), file_of(file.before.text, kSavedMode));
      }
      tree.put(saved_path(number, "after"), file_of(file.after.text, kSavedMode));
      for (const std::string& folder : folders_of(change.path)) {
        const auto& made = record.folders;
        if (!tree.is_there(folder) && std::find(made.begin(), made.end(), folder) == made.end()) {
          record.folders.push_back(folder);
        }
      }
      record.files.push_back(std::move(file));
    }
    record.state = State::Changing;
    store(tree, record);

    for (const std::string& folder : record.folders) (void)tree.make_folder(folder);
    for (const SetupRecord::File& file : record.files) tree.put(file.path, file.after);
    if (tree.is_machine()) {
      for (const CommandWords& words : plan.commands.apply) {
        if (run(words)) continue;
        std::string line;
        for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
        throw std::runtime_error("`" + line + "` failed");
      }
    }
    record.state = State::Done;
    store(tree, record);
  } catch (const std::exception& e) {
    const std::string why = e.what();
    try {
      (void)undo(tree, load_record(tree).value_or(record), run);
    } catch (const std::exception& second) {
      throw std::runtime_error(why + "; undoing what was done failed, too: " + second.what() +
                               "; run `clusterdns unsetup`");
    }
    throw std::runtime_error(why + "; nothing is changed");
  }
}

std::vector<CommandWords> undo(const Tree& tree, SetupRecord record, const CommandRunner& run) {
  std::vector<CommandWords> failed;
  std::vector<std::string> paths;
  for (const SetupRecord::File& file : record.files) paths.push_back(file.path);
  const SystemCommands commands = commands_for(record.backend, record.server, paths);
  const bool touched = record.state != State::Begun && record.state != State::Undone;
  const bool was_done = record.state == State::Done;
  const auto run_all = [&](const std::vector<CommandWords>& all) {
    if (!tree.is_machine() || !touched) return;
    for (const CommandWords& words : all) {
      if (!run(words)) failed.push_back(words);
    }
  };

  std::vector<SetupRecord::File> kept;
  if (touched) {
    record.state = State::Undoing;
    store(tree, record);
    run_all(commands.before_undo);
    for (auto file = record.files.rbegin(); file != record.files.rend(); ++file) {
      tree.remove_rest(file->path);
      const TreeEntry now = tree.look(file->path);
      if (file->let_go || now.same_content(file->before)) continue;
      const bool ours =
          now.same_content(file->after) ||
          (!was_done && (is_beginning(now, file->after) || is_beginning(now, file->before)));
      if (!ours) {
        kept.insert(kept.begin(), *file);
      } else if (file->before.there()) {
        tree.put(file->path, file->before);
      } else {
        tree.remove(file->path);
      }
    }
    for (auto folder = record.folders.rbegin(); folder != record.folders.rend(); ++folder) {
      if (tree.remove_folder(*folder)) continue;
    }
    run_all(commands.after_undo);
  }
  if (!kept.empty()) {
    std::string text;
    for (const SetupRecord::File& file : kept) {
      text += (text.empty() ? "" : "\n") + changed_since(tree, file);
    }
    const std::vector<SetupRecord::File> all = std::exchange(record.files, kept);
    record.state = State::Done;
    store(tree, record);
    for (const SetupRecord::File& file : all) {
      const bool is_kept = std::any_of(kept.begin(), kept.end(),
                                       [&](const auto& each) { return each.path == file.path; });
      if (!is_kept) remove_saved(tree, file);
    }
    throw ChangedSince(text);
  }
  record.state = State::Undone;
  store(tree, record);
  remove_rest_of_record(tree);
  for (auto folder = record.own_folders.rbegin(); folder != record.own_folders.rend(); ++folder) {
    (void)tree.remove_folder(*folder);
  }
  return failed;
}

void remove_rest_of_record(const Tree& tree) {
  const std::string folder(kSetupFolder);
  if (tree.look(folder).kind == Kind::Folder) {
    // The record goes last: while it is there, it says what else has to be removed.
    std::vector<std::string> names = tree.list(folder);
    std::stable_partition(names.begin(), names.end(),
                          [](const std::string& name) { return name != "record.json"; });
    for (const std::string& name : names) tree.remove(folder + "/" + name);
    (void)tree.remove_folder(folder);
  }
  // Nobody else uses it, so an empty one is a rest, too.
  const std::string above = folder.substr(0, folder.rfind('/'));
  if (tree.is_there(above)) (void)tree.remove_folder(above);
}

}  // namespace clusterdns::app
