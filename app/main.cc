// clusterdns: the program. What the words mean: app/commands/command_line.h.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <new>
#include <string_view>
#include <vector>

#include "app/base/version.h"
#include "app/commands/cache.h"
#include "app/commands/check.h"
#include "app/commands/command_line.h"
#include "app/commands/doctor.h"
#include "app/commands/explain_name.h"
#include "app/commands/hosts.h"
#include "app/commands/list_directives.h"
#include "app/commands/migrate.h"
#include "app/commands/node_address.h"
#include "app/commands/output.h"
#include "app/commands/query.h"
#include "app/commands/replay.h"
#include "app/commands/report.h"
#include "app/commands/run_server.h"
#include "app/commands/services.h"
#include "app/commands/setup.h"
#include "app/commands/synthetic.h"
#include "app/commands/watch.h"
#include "app/corefile/limits.h"
#include "app/corefile/parser.h"
#include "app/corefile/print.h"
#include "app/directives/directive.h"
#include "app/instance/instance.h"
#include "app/instance/last_words.h"
#include "app/node/capabilities.h"
#include "app/node/node_cache.h"

namespace clusterdns::app {
namespace {

// Puts kubectl's kubeconfig where one is asked for and none is named. Says whether that was
// possible.
bool find_kubeconfig(const char* command, ServeOptions& options) {
  if (!options.kubeconfig || !options.kubeconfig->empty()) return true;
  const char* const list = std::getenv("KUBECONFIG");
  options.kubeconfig = list != nullptr && *list != '\0' ? list : "~/.kube/config";
  if (can_be_written(*options.kubeconfig)) return true;
  std::cerr
      << "clusterdns " << command
      << ": $KUBECONFIG cannot be written in a Corefile; name a file with --kubeconfig FILE\n";
  return false;
}

// What a Corefile holds, up to the octets that one may have; empty when it cannot be read.
std::string file_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string text(kMaxCorefileSize, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

int run(ServeOptions options) {
  if (!find_kubeconfig("serve", options)) return 1;
  const std::string text = corefile_for_serve(options);
  if (options.print) {
    // Printed is what a server would take.
    Problems problems;
    const Corefile corefile = parse_corefile(text, "serve", {}, problems);
    if (corefile.whole) check_corefile(corefile, kDnsPort, CheckPlace::Elsewhere, problems);
    problems.throw_errors();
    std::cout << text;
    return 0;
  }
  RunOptions run;
  run.read = [text] { return parse_corefile(text, "serve"); };
  run.text = [text] { return text; };
  return run_server(run);
}

int run(const CoreDnsOptions& options) {
  if (options.show_version) {
    std::cout << version_lines();
    return 0;
  }
  if (options.list_plugins) {
    std::vector<std::string_view> names;
    for (const DirectiveSpec& spec : directives()) {
      if (spec.built) names.push_back(spec.name);
    }
    std::sort(names.begin(), names.end());  // as CoreDNS prints them
    for (const std::string_view name : names) std::cout << name << "\n";
    return 0;
  }
  ParseOptions parse;
  parse.dns_port = options.dns_port;
  RunOptions run;
  run.dns_port = options.dns_port;
  run.pidfile = options.pidfile;
  run.announce = !options.quiet;
  run.log_format = options.log_format;
  run.strict = options.strict;
  if (options.node_cache) {
    auto node = std::make_shared<NodeCache>(*options.node_cache, parse);
    run.read = [node] { return node->read(); };
    run.text = [node] { return node->text(); };
    run.from_file = true;
    run.node_cache = std::move(node);
  } else if (options.corefile == "stdin") {
    // Read once: there is nothing to read again at a reload.
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    run.read = [text, parse] { return parse_corefile(text, "stdin", parse); };
    run.text = [text] { return text; };
  } else if (!options.corefile.empty()) {
    run.read = [path = options.corefile, parse] { return load_corefile(path, parse); };
    run.text = [path = options.corefile] { return file_text(path); };
    run.from_file = true;
  } else if (std::filesystem::exists("Corefile")) {
    run.read = [parse] { return load_corefile("Corefile", parse); };
    run.text = [] { return file_text("Corefile"); };
    run.from_file = true;
  } else {
    // What CoreDNS does without a Corefile; who only tries the program wants to know more.
    if (!options.quiet) {
      std::cerr << "clusterdns: no Corefile here: port " << options.dns_port
                << " answers each client with its own address (whoami); see `clusterdns help` for "
                   "what else it does\n";
    }
    const std::string text = default_corefile(options.dns_port);
    run.read = [text, parse] { return parse_corefile(text, "default", parse); };
    run.text = [text] { return text; };
  }
  return run_server(run);
}

int run(const CheckOptions& options) { return run_check(options, std::cout, std::cerr); }
int run(const MigrateOptions& options) {
  return run_migrate(options, std::cin, std::cout, std::cerr);
}
int run(ServicesOptions options) {
  if (!find_kubeconfig("services", options.cluster)) return 1;
  return run_services(options, std::cout, std::cerr);
}
int run(const HostsOptions& options) { return run_hosts(options, std::cout, std::cerr); }
int run(const ExplainOptions& options) {
  // https://no-color.org
  const char* const no_colour = std::getenv("NO_COLOR");
  const bool colour = ::isatty(STDOUT_FILENO) != 0 && (no_colour == nullptr || *no_colour == '\0');
  return run_explain(options, colour, std::cout, std::cerr);
}
int run(const WatchOptions& options) { return run_watch(options, std::cout, std::cerr); }
int run(const WaitOptions& options) { return run_wait(options, std::cout, std::cerr); }
int run(const CacheCommandOptions& options) { return run_cache(options, std::cout, std::cerr); }
int run(const QueryOptions& options) { return run_query(options, std::cout, std::cerr); }
int run(const SyntheticOptions& options) { return run_synthetic(options, std::cout, std::cerr); }
int run(const ReplayOptions& options) { return run_replay(options, std::cout, std::cerr); }
int run(const ReportOptions& options) { return run_report(options, std::cout, std::cerr); }
// Who may be asked something.
std::istream* terminal() { return ::isatty(STDIN_FILENO) != 0 ? &std::cin : nullptr; }
int run(const SetupOptions& options) {
  return run_setup(options, terminal(), std::cout, std::cerr);
}
int run(const UnsetupOptions& options) {
  return run_unsetup(options, terminal(), std::cout, std::cerr);
}
int run(const DoctorOptions& options) { return run_doctor(options, std::cout, std::cerr); }
int run(const NodeAddressOptions& options) {
  return run_node_address(options, std::cout, std::cerr);
}
int run(const DirectivesOptions& options) { return run_directives(options, std::cout, std::cerr); }
int run(const VersionOptions&) {
  std::cout << version_lines();
  return 0;
}

}  // namespace
}  // namespace clusterdns::app

int main(int argc, char** argv) {
  using namespace clusterdns::app;
  use_permitted_capabilities();
  end_with_last_words();
  auto parsed = parse_command_line(argc, argv);
  if (const auto* exit = std::get_if<CommandLineExit>(&parsed)) {
    (exit->code == 0 ? std::cout : std::cerr) << exit->text;
    return end_output(exit->code, std::cout, std::cerr);
  }
  try {
    const int code =
        std::visit([](const auto& options) { return run(options); }, std::get<CommandLine>(parsed));
    return end_output(code, std::cout, std::cerr);
  } catch (const std::bad_alloc&) {
    say_out_of_memory(LogFormat::Text);
    return kOutOfMemory;
  } catch (const std::exception& e) {
    // What is wrong with a Corefile, or what the system has too little of.
    std::cerr << "clusterdns: " << e.what() << "\n";
    return 1;
  }
}
