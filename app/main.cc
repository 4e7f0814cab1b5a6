// clusterdns: the program. What the words mean: app/command_line.h.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <string_view>
#include <vector>

#include "app/command_line.h"
#include "app/commands/check.h"
#include "app/commands/node_address.h"
#include "app/commands/query.h"
#include "app/commands/run_server.h"
#include "app/commands/services.h"
#include "app/corefile/parser.h"
#include "app/directives/directive.h"
#include "app/version.h"

namespace clusterdns::app {
namespace {

int run(const ServeOptions& options) {
  const std::string text = corefile_for_serve(options);
  if (options.print) {
    std::cout << text;
    return 0;
  }
  RunOptions run;
  run.read = [text] { return parse_corefile(text, "serve"); };
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
  if (options.corefile == "stdin") {
    // Read once: there is nothing to read again at a reload.
    const std::string text{std::istreambuf_iterator<char>(std::cin), {}};
    run.read = [text, parse] { return parse_corefile(text, "stdin", parse); };
  } else if (!options.corefile.empty()) {
    run.read = [path = options.corefile, parse] { return load_corefile(path, parse); };
  } else if (std::filesystem::exists("Corefile")) {
    run.read = [parse] { return load_corefile("Corefile", parse); };
  } else {
    const std::string text = default_corefile(options.dns_port);
    run.read = [text, parse] { return parse_corefile(text, "default", parse); };
  }
  return run_server(run);
}

int run(const CheckOptions& options) { return run_check(options, std::cout, std::cerr); }
int run(const ServicesOptions& options) { return run_services(options, std::cout, std::cerr); }
int run(const QueryOptions& options) { return run_query(options, std::cout, std::cerr); }
int run(const NodeAddressOptions& options) {
  return run_node_address(options, std::cout, std::cerr);
}
int run(const VersionOptions&) {
  std::cout << version_lines();
  return 0;
}

}  // namespace
}  // namespace clusterdns::app

int main(int argc, char** argv) {
  using namespace clusterdns::app;
  auto parsed = parse_command_line(argc, argv);
  if (const auto* exit = std::get_if<CommandLineExit>(&parsed)) {
    (exit->code == 0 ? std::cout : std::cerr) << exit->text;
    return exit->code;
  }
  return std::visit([](const auto& options) { return run(options); },
                    std::get<CommandLine>(parsed));
}
