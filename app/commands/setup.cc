#include "app/commands/setup.h"

#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <istream>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "app/commands/console_facts.h"
#include "app/setup/changes.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

constexpr std::size_t kMostDomainsShown = 20;

bool run_command(const CommandWords& words, std::ostream& err) {
  std::vector<std::string> copy = words;
  std::vector<char*> arguments;
  for (std::string& word : copy) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  // Whatever the caller's PATH has.
  std::string path = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
  std::string language = "LC_ALL=C";
  std::array<char*, 3> environment{path.data(), language.data(), nullptr};
  for (const std::string_view folder : {"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"}) {
    const std::string program = std::string(folder) + words.front();
    pid_t child = 0;
    const int error = ::posix_spawn(&child, program.c_str(), nullptr, nullptr, arguments.data(),
                                    environment.data());
    if (error == ENOENT || error == ENOTDIR) continue;
    if (error != 0) {
      err << "clusterdns: " << program << ": " << std::strerror(error) << "\n";
      return false;
    }
    int status = 0;
    while (::waitpid(child, &status, 0) < 0) {
      if (errno != EINTR) return false;
    }
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  err << "clusterdns: " << words.front() << " is not on this machine\n";
  return false;
}

std::string line_of(const CommandWords& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

void show(const Tree& tree, const SetupPlan& plan, bool contents, std::ostream& out) {
  out << name_of(plan.backend) << " asks " << plan.server.to_string()
      << (takes_all(plan.backend) ? " first, for all names; wanted are\n" : " for\n");
  for (std::size_t i = 0; i < plan.domains.size() && i < kMostDomainsShown; ++i) {
    out << "  " << plan.domains[i].name << "\n";
  }
  if (plan.domains.size() > kMostDomainsShown) {
    out << "  and " << plan.domains.size() - kMostDomainsShown << " more\n";
  }
  out << "This changes\n";
  for (const FileChange& file : plan.files) {
    const TreeEntry now = tree.look(file.path);
    out << "  " << tree.shown(file.path) << (now.there() ? " (saved, then replaced)" : " (new)")
        << (file.link ? " -> " + file.text : "") << "\n";
    if (!contents || file.link) continue;
    std::string_view text = file.text;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      out << "    | " << registry::printable(text.substr(0, end)) << "\n";
      text.remove_prefix(std::min(end + 1, text.size()));
    }
  }
  if (tree.is_machine()) {
    for (const CommandWords& words : plan.commands.apply)
      out << "  run: " << line_of(words) << "\n";
  }
  for (const std::string& note : plan.notes) out << "Note: " << note << ".\n";
}

bool agreed(std::istream* asked, bool yes, std::ostream& out) {
  if (yes) return true;
  if (asked == nullptr) {
    throw std::runtime_error("there is no terminal to ask at; add --yes to do it, or --dry-run");
  }
  out << "Do it? [y/N] " << std::flush;
  std::string answer;
  std::getline(*asked, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

// The last words of a command that could not do it.
int told(std::string_view command, const std::exception& e, std::ostream& err) {
  err << "clusterdns " << command << ": " << registry::printable(e.what(), "\n");
  const std::string_view text = e.what();
  for (const int error : {EACCES, EPERM, EROFS}) {
    if (text.find(std::strerror(error)) == std::string_view::npos) continue;
    err << "; only root may do this: run it with sudo";
    break;
  }
  err << "\n";
  return 1;
}

// An exception's last words, when commands failed that tell what runs.
int told_failed(const std::vector<CommandWords>& failed, std::ostream& err) {
  for (const CommandWords& words : failed) {
    err << "clusterdns: all files are as before, but `" << line_of(words)
        << "` failed: run it again, or restart the machine\n";
  }
  return failed.empty() ? 0 : 1;
}

}  // namespace

int run_setup(const SetupOptions& options, std::istream* asked, std::ostream& out,
              std::ostream& err) {
  try {
    const Tree tree(options.root);
    const CommandRunner runner = [&](const CommandWords& words) { return run_command(words, err); };
    const std::optional<SetupRecord> record = load_record(tree);
    const TreeBefore view(tree, record ? &*record : nullptr);
    const Backend backend = options.backend ? *options.backend : detect_backend(view);

    ConsoleFacts facts;
    std::optional<HostPort> server = options.server;
    try {
      facts = ask_console(options.console);
      if (!server) {
        server = listener_of(facts, options.console, takes_all(backend));
        if (!server) {
          throw std::runtime_error("http://" + options.console.authority +
                                   " does not say where its server is asked from here; name it "
                                   "with --server ADDR:PORT");
        }
      }
    } catch (const std::exception& e) {
      if (options.console_named || (!server && !facts.listeners.empty())) throw;
      facts = {};
      out << "No console says what there is: " << registry::printable(e.what()) << "\n"
          << "Only what --zone names is routed.\n";
    }
    if (!server) server = HostPort{registry::IpAddress{{127, 0, 0, 1}}, kServePort};
    for (const std::string& zone : options.zones) facts.domains.add_zone(zone);
    for (const std::string& line : facts.domains.left_out()) out << line << "\n";
    std::vector<RoutedDomain> domains = facts.domains.take();
    if (domains.empty()) {
      throw std::runtime_error(
          "there is nothing to route; start `clusterdns serve`, or name a zone with --zone");
    }

    const SetupPlan plan = make_plan(backend, *server, std::move(domains), view);
    if (record && is_as_planned(tree, *record, plan)) {
      out << "Everything is set up already: " << name_of(backend) << " asks " << server->to_string()
          << ".\n";
      return 0;
    }
    const bool for_others = backend == Backend::MacOs || backend == Backend::Windows;
    if (for_others && tree.is_machine()) {
      for (const FileChange& file : plan.files) out << file.path << ":\n" << file.text << "\n";
      for (const std::string& note : plan.notes) out << "Note: " << note << ".\n";
      out << "This is for " << name_of(backend)
          << " and changes nothing here; --root DIR writes it below a folder.\n";
      return 0;
    }
    show(tree, plan, options.dry_run, out);
    if (options.dry_run) return 0;
    if (!agreed(asked, options.yes, out)) {
      out << "Nothing is changed.\n";
      return 1;
    }
    if (record && told_failed(undo(tree, *record, runner), err) != 0) return 1;
    apply_plan(tree, plan, runner);
    out << "Done. `clusterdns unsetup` undoes it.\n";
    return 0;
  } catch (const std::exception& e) {
    return told("setup", e, err);
  }
}

int run_unsetup(const UnsetupOptions& options, std::istream* asked, std::ostream& out,
                std::ostream& err) {
  try {
    const Tree tree(options.root);
    const CommandRunner runner = [&](const CommandWords& words) { return run_command(words, err); };
    const std::optional<SetupRecord> record = load_record(tree);
    if (!record) {
      remove_rest_of_record(tree);
      out << "Nothing is set up.\n";
      return 0;
    }
    out << "This puts back what was there before setup:\n";
    for (const SetupRecord::File& file : record->files) {
      out << "  " << tree.shown(file.path) << (file.before.there() ? "" : " (removed)") << "\n";
    }
    if (options.dry_run) return 0;
    if (!agreed(asked, options.yes, out)) {
      out << "Nothing is changed.\n";
      return 1;
    }
    const int code = told_failed(undo(tree, *record, runner), err);
    if (code == 0) out << "Done.\n";
    return code;
  } catch (const std::exception& e) {
    return told("unsetup", e, err);
  }
}

}  // namespace clusterdns::app
