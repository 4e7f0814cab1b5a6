// view NAME {
//   expr EXPRESSION
// }
#include "app/directives/view.h"

#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/geoip.h"
#include "dns/policy/query_scope.h"

namespace clusterdns::app {
namespace {

using Conditions = std::vector<dns::Expr>;

constexpr Option kOptions[] = {
    option<[](const Directive& line, Conditions& conditions) {
      std::string text;
      for (const Token& word : line.args) text += (text.empty() ? "" : " ") + word.text;
      std::string error;
      auto condition = dns::Expr::parse(text, {dns::QueryScope::functions(), {}}, &error);
      if (!condition) fail(line.args[0].at, in_quotes(text) + " is not an expression: " + error);
      conditions.push_back(*std::move(condition));
    }>("expr", "EXPRESSION…", "a condition of the query; of several all must hold"),
};

}  // namespace

std::span<const Option> view_options() { return kOptions; }

std::string view_name(const ServerBlock& block) {
  const auto at = std::find_if(block.directives.begin(), block.directives.end(),
                               [](const Directive& each) { return each.name.text == "view"; });
  return at == block.directives.end() || at->args.empty() ? "" : at->args[0].text;
}

void set_up_view(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 1, 1, "view NAME");
  Conditions conditions;
  read_options(directive, kOptions, setup.environment.problems, conditions);
  setup.view = std::make_shared<dns::ViewCondition>(std::move(conditions), metadata_of(setup));
}

}  // namespace clusterdns::app
