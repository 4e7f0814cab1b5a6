// acl [ZONES…] {
//   allow|block|filter|drop [type TYPE…|*] [net CIDR…|*]
// }
#include "app/directives/acl.h"

#include <algorithm>

#include "app/corefile/options.h"
#include "app/directives/directive.h"
#include "app/directives/view.h"
#include "dns/policy/acl_stage.h"

namespace clusterdns::app {
namespace {

using dns::AclRules;

void read_section(const Directive& line, std::size_t& at, AclRules::Policy& policy) {
  const Token& section = line.args[at++];
  const auto is_section = [](const Token& token) {
    return token.text == "type" || token.text == "net";
  };
  if (!is_section(section))
    fail(section, "is not expected here; write `type TYPE…` or `net CIDR…`");
  const std::size_t first = at;
  bool all = false;
  for (; at < line.args.size() && !is_section(line.args[at]); ++at) {
    const Token& token = line.args[at];
    if (token.text == "*") {
      all = true;
    } else if (section.text == "type") {
      if (!policy.types) policy.types.emplace();
      policy.types->push_back(parse_rrtype(token));
    } else {
      if (!policy.clients) policy.clients.emplace();
      if (!policy.clients->add(parse_cidr(token).to_string())) {
        fail(token, "is not a network");
      }
    }
  }
  if (at == first) {
    fail(section, section.text == "type" ? "names no type; write some, or `*` for all"
                                         : "names no network; write some, or `*` for all");
  }
  if (!all) return;
  if (section.text == "type") {
    policy.types.reset();
  } else {
    policy.clients.reset();
  }
}

template <AclRules::Action kAction>
void read_policy(const Directive& line, AclRules::Rule& rule) {
  AclRules::Policy policy;
  policy.action = kAction;
  for (std::size_t at = 0; at < line.args.size();) read_section(line, at, policy);
  rule.policies.push_back(std::move(policy));
}

constexpr std::string_view kArguments = "[type TYPE…|*] [net CIDR…|*]";
constexpr Option kOptions[] = {
    option<&read_policy<AclRules::Action::Allow>>("allow", kArguments, "goes on to what answers"),
    option<&read_policy<AclRules::Action::Block>>("block", kArguments, "REFUSED"),
    option<&read_policy<AclRules::Action::Filter>>("filter", kArguments, "NOERROR without records"),
    option<&read_policy<AclRules::Action::Drop>>("drop", kArguments, "no answer at all"),
};

Metrics::Collector acl_metrics(std::shared_ptr<const AclRules> rules, std::string server,
                               std::string view) {
  return [rules = std::move(rules), server = std::move(server),
          view = std::move(view)](Exposition& out) {
    using Action = AclRules::Action;
    struct Series {
      Action action;
      const char* name;
      const char* help;
    };
    static constexpr Series kSeries[] = {{Action::Block, "coredns_acl_blocked_requests_total",
                                          "Counter of DNS requests being blocked."},
                                         {Action::Filter, "coredns_acl_filtered_requests_total",
                                          "Counter of DNS requests being filtered."},
                                         {Action::Drop, "coredns_acl_dropped_requests_total",
                                          "Counter of DNS requests being dropped."}};
    out.counter("coredns_acl_allowed_requests_total", "Counter of DNS requests being allowed.",
                {{"server", server}, {"view", view}}, static_cast<double>(rules->allowed()));
    for (std::size_t r = 0; r < rules->rules().size(); ++r) {
      const auto& labels = rules->rules()[r].labels;
      for (std::size_t z = 0; z < labels.size(); ++z) {
        for (const Series& series : kSeries) {
          const std::uint64_t count = rules->total(r, z, series.action);
          if (count == 0) continue;
          out.counter(series.name, series.help,
                      {{"server", server}, {"view", view}, {"zone", labels[z]}},
                      static_cast<double>(count));
        }
      }
    }
  };
}

// The rules of the block, whoever wants them first.
std::shared_ptr<AclRules> rules_of(BlockSetup& setup) {
  if (setup.acl == nullptr) {
    setup.acl = std::make_shared<AclRules>(setup.environment.workers);
    setup.environment.collectors.push_back(
        acl_metrics(setup.acl, setup.server, view_name(setup.block)));
  }
  return setup.acl;
}

}  // namespace

std::span<const Option> acl_options() { return kOptions; }

void put_acl_gate(BlockSetup& setup) {
  const auto& directives = setup.block.directives;
  if (setup.acl != nullptr ||
      std::none_of(directives.begin(), directives.end(),
                   [](const Directive& each) { return each.name.text == "acl"; })) {
    return;
  }
  setup.route.stages.push_back(
      std::make_shared<dns::AclStage>(rules_of(setup), dns::AclStage::Place::Gate));
}

void set_up_acl(const Directive& directive, BlockSetup& setup) {
  AclRules::Rule rule;
  refuse_option_names(directive.args, kOptions);
  for (const std::string& zone : parse_zones(directive.args, setup.block)) {
    rule.zones.add(zone_name(zone, directive.name.at));
  }
  for (std::size_t i = 0; i < rule.zones.size(); ++i) {
    rule.labels.push_back(dns::name_to_text(rule.zones[i]));
  }
  read_options(directive, kOptions, setup.environment.problems, rule);
  const auto rules = rules_of(setup);
  rules->add(std::move(rule));
  if (rules->rules().size() == 1) {
    setup.route.stages.push_back(std::make_shared<dns::AclStage>(rules, dns::AclStage::Place::Own));
  }
}

}  // namespace clusterdns::app
