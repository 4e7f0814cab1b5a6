// header {
//   query|response set|clear FLAG…
// }
#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "dns/shape/shape_stages.h"

namespace clusterdns::app {
namespace {

using dns::HeaderStage;

struct Reading {
  std::vector<HeaderStage::Rule> query;
  std::vector<HeaderStage::Rule> response;
};

template <auto Rules>
void read_rules(const Directive& line, Reading& reading) {
  static constexpr std::string_view kActions[] = {"set", "clear"};
  static constexpr std::string_view kFlags[] = {"aa", "ra", "rd"};
  const bool set = parse_choice(line.args[0], kActions) == "set";
  for (std::size_t i = 1; i < line.args.size(); ++i) {
    Token word = line.args[i];
    if (!word.at.subject.empty()) word.at.subject += set ? " set" : " clear";
    const std::string_view flag = parse_choice(word, kFlags);
    (reading.*Rules)
        .push_back({flag == "aa"   ? HeaderStage::Flag::AA
                    : flag == "ra" ? HeaderStage::Flag::RA
                                   : HeaderStage::Flag::RD,
                    set});
  }
}

constexpr Option kOptions[] = {
    option<&read_rules<&Reading::query>>("query", "set|clear FLAG…",
                                         "flags of the question, as upstreams see it"),
    option<&read_rules<&Reading::response>>("response", "set|clear FLAG…", "flags of the answer"),
};

}  // namespace

std::span<const Option> header_options() { return kOptions; }

void set_up_header(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 0, 0, "header");
  Reading reading;
  read_options(directive, kOptions, setup.environment.problems, reading);
  if (directive.block.empty()) {
    fail(directive.name.at, "says nothing; write `query` or `response` lines in its block");
  }
  setup.route.stages.push_back(
      std::make_shared<HeaderStage>(std::move(reading.query), std::move(reading.response)));
}

}  // namespace clusterdns::app
