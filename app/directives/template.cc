// template CLASS TYPE [ZONE…] {
//   match REGEX…
//   var NAME EXPRESSION
//   expr EXPRESSION
//   answer|additional|authority RR…
//   rcode CODE
//   ederror CODE [TEXT]
//   fallthrough [ZONE…]
//   upstream …              old, and without effect
// }
#include <algorithm>
#include <charconv>

#include "app/corefile/options.h"
#include "app/directives/acl.h"
#include "app/directives/directive.h"
#include "app/directives/view.h"
#include "dns/template/template_stage.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

using dns::TemplateStage;

struct Reading {
  TemplateStage::Options options;
  std::vector<std::string> variables;
  std::int64_t memory;
  const ServerBlock& block;
};

std::string joined(std::span<const Token> words) {
  std::string text;
  for (const Token& word : words) text += (text.empty() ? "" : " ") + word.text;
  return text;
}

dns::Expr read_expression(std::span<const Token> words, const Reading& reading) {
  const std::string text = joined(words);
  std::string error;
  auto expression = dns::Expr::parse(text, {TemplateStage::functions(), reading.variables}, &error);
  if (!expression) fail(words[0].at, in_quotes(text) + " is not an expression: " + error);
  return *std::move(expression);
}

template <dns::Section kSection>
void read_records(const Directive& line, Reading& reading) {
  for (const Token& word : line.args) {
    std::string error;
    auto text = dns::GoTemplate::parse(word.text, TemplateStage::fields(), &error);
    if (!text) fail(word, "is not a template: " + error);
    reading.options.records.push_back({kSection, *std::move(text)});
  }
}

void read_variable(const Directive& line, Reading& reading) {
  const Token& name = line.args[0];
  const bool taken = std::find(reading.variables.begin(), reading.variables.end(), name.text) !=
                     reading.variables.end();
  if (taken || !dns::Expr::may_be_variable(name.text, {TemplateStage::functions(), {}})) {
    fail(name, "cannot be the name of a variable; write another one of letters, digits and '_'");
  }
  auto value = read_expression(std::span(line.args).subspan(1), reading);
  reading.options.variables.push_back({name.text, std::move(value)});
  reading.variables.push_back(name.text);
}

void read_extended_error(const Directive& line, Reading& reading) {
  reading.options.extended_error =
      static_cast<std::uint16_t>(parse_integer(line.args[0], 0, 0xFFFF));
  reading.options.extended_text = line.args.size() > 1 ? line.args[1].text : "";
}

void read_fallthrough(const Directive& line, Reading& reading) {
  reading.options.falls_through = true;
  if (line.args.empty()) reading.options.fall_through.add(dns::Name());
  for (const Token& word : line.args) {
    for (const std::string& zone : parse_zones({&word, 1}, reading.block)) {
      reading.options.fall_through.add(zone_name(zone, word.at));
    }
  }
}

constexpr Option kOptions[] = {
    option<[](const Directive& line, Reading& reading) {
      for (const Token& word : line.args) {
        reading.options.patterns.push_back(parse_expression(word, reading.memory));
      }
    }>("match", "REGEX…", "regular expressions for the name; the first that matches counts",
       "every name"),
    option<&read_variable>("var", "NAME EXPRESSION…", "sets a variable, `.Var.NAME` in templates"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.conditions.push_back(read_expression(line.args, reading));
    }>("expr", "EXPRESSION…", "a condition of the query; of several all must hold"),
    option<&read_records<dns::Section::Answer>>("answer", "RR…",
                                                "templates of records for the answer section"),
    option<&read_records<dns::Section::Additional>>("additional", "RR…",
                                                    "the same for the additional section"),
    option<&read_records<dns::Section::Authority>>("authority", "RR…",
                                                   "the same for the authority section"),
    option<[](const Directive& line, Reading& reading) {
      reading.options.rcode = dns::Rcode{parse_rcode(line.args[0])};
    }>("rcode", "CODE", "the response code", "NOERROR"),
    option<&read_extended_error>("ederror", "CODE [TEXT]", "an Extended DNS Error (RFC 8914)"),
    option<&read_fallthrough>(
        "fallthrough", "[ZONE…]",
        "what no expression matches goes on, everywhere or in these zones; SERVFAIL without it"),
    idle_option("upstream", "[ADDRESS…]", "accepted, and without effect"),
};

Metrics::Collector template_metrics(std::shared_ptr<TemplateStage> stage, std::string server,
                                    std::string view) {
  return [stage = std::move(stage), server = std::move(server),
          view = std::move(view)](Exposition& out) {
    const auto& options = stage->options();
    for (const auto& each : stage->matches()) {
      out.counter("coredns_template_matches_total", "Counter of template regex matches.",
                  {{"class", each.rrclass},
                   {"server", server},
                   {"type", each.type},
                   {"view", view},
                   {"zone", options.zone_texts[each.zone]}},
                  static_cast<double>(each.count));
    }
    for (std::size_t i = 0; i < options.records.size(); ++i) {
      static constexpr std::string_view kSections[] = {"answer", "authority", "additional"};
      const auto& record = options.records[i];
      const auto count = [&](TemplateStage::Failure failure, const char* name, const char* help) {
        const std::uint64_t failures = stage->failures(i, failure);
        if (failures == 0) return;
        out.counter(name, help,
                    {{"class", dns::rrclass_to_text(options.rrclass)},
                     {"section", std::string(kSections[static_cast<std::size_t>(record.section)])},
                     {"server", server},
                     {"template", record.text.text()},
                     {"type", dns::rrtype_to_text(options.type)},
                     {"view", view},
                     {"zone", options.zone_texts[0]}},
                    static_cast<double>(failures));
      };
      count(TemplateStage::Failure::Template, "coredns_template_template_failures_total",
            "Counter of go template failures.");
      count(TemplateStage::Failure::Record, "coredns_template_rr_failures_total",
            "Counter of mis-templated RRs.");
    }
  };
}

}  // namespace

std::span<const Option> template_options() { return kOptions; }

void set_up_template(const Directive& directive, BlockSetup& setup) {
  require_arguments(directive, 2, kAnyNumber, "template CLASS TYPE [ZONE…]");
  if (setup.templates++ == 0) {
    const auto count =
        std::count_if(setup.block.directives.begin(), setup.block.directives.end(),
                      [](const Directive& each) { return each.name.text == "template"; });
    setup.template_memory = std::clamp(dns::kRulesMemory / count, dns::kLeastExpressionMemory,
                                       dns::kMaxExpressionMemory);
  }
  Reading reading{{}, {}, setup.template_memory, setup.block};
  TemplateStage::Options& options = reading.options;
  options.rrclass = parse_rrclass(directive.args[0]);
  options.type = parse_rrtype(directive.args[1]);
  const std::span<const Token> zones = std::span(directive.args).subspan(2);
  refuse_option_names(zones, kOptions);
  for (const std::string& zone : parse_zones(zones, setup.block)) {
    options.zones.add(zone_name(zone, directive.name.at));
  }
  for (std::size_t i = 0; i < options.zones.size(); ++i) {
    options.zone_texts.push_back(dns::name_to_text(options.zones[i]));
  }
  read_options(directive, kOptions, setup.environment.problems, reading);
  // CoreDNS puts the sections together the same way.
  std::stable_sort(options.records.begin(), options.records.end(),
                   [](const auto& a, const auto& b) {
                     return a.section == dns::Section::Answer && b.section != dns::Section::Answer;
                   });
  auto stage = std::make_shared<TemplateStage>(std::move(options), setup.environment.workers);
  setup.route.stages.push_back(stage);
  setup.environment.collectors.push_back(
      template_metrics(stage, setup.server, view_name(setup.block)));
}

}  // namespace clusterdns::app
