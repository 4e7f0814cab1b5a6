#include "app/directives/target_api.h"

#include <algorithm>
#include <functional>
#include <memory>

#include <spdlog/fmt/fmt.h>
#include <boost/asio/ip/address.hpp>
#include <boost/json.hpp>

#include "app/directives/evidence_json.h"
#include "app/directives/fault_rule.h"
#include "app/log/logging.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

namespace json = boost::json;

constexpr std::string_view kEvidence = "/api/v1/evidence";
constexpr std::string_view kScenarios = "/api/v1/scenarios";
constexpr std::string_view kSeed = "/api/v1/seed";
constexpr std::size_t kMaxName = 63;

TargetReply in_words(unsigned status, std::string text) {
  return {status, std::move(text) + "\n", "text/plain; charset=utf-8"};
}

TargetReply not_allowed(std::string allow) {
  TargetReply reply = in_words(405, "the methods of this path are " + allow);
  reply.allow = std::move(allow);
  return reply;
}

std::string_view state_text(FaultControl::State state) {
  switch (state) {
    case FaultControl::State::Loaded: return "loaded";
    case FaultControl::State::Running: return "running";
    case FaultControl::State::Stopped: return "stopped";
    case FaultControl::State::Done: return "done";
  }
  return {};
}

json::object scenario_json(const FaultControl::Shown& shown) {
  json::object one{{"name", shown.name},
                   {"state", state_text(shown.state)},
                   {"elapsed", shown.elapsed},
                   {"seed", shown.seed},
                   {"file", shown.file.empty() ? json::value(nullptr) : json::value(shown.file)},
                   {"verdict", nullptr}};
  if (!shown.verdict) return one;
  json::array expectations;
  bool pass = true;
  for (const FaultControl::Measured& each : *shown.verdict) {
    pass = pass && each.pass;
    expectations.push_back(json::object{{"expect", each.expectation.text},
                                        {"pass", each.pass},
                                        {"measured", each.percent},
                                        {"of", each.of}});
  }
  one["verdict"] = json::object{{"pass", pass}, {"expectations", std::move(expectations)}};
  return one;
}

TargetReply list_scenarios(const TargetParts& target) {
  json::array all;
  for (const auto& fault : target.faults) {
    for (const FaultControl::Shown& shown : fault->scenarios()) all.push_back(scenario_json(shown));
  }
  return {200, json::serialize(json::object{{"scenarios", std::move(all)}})};
}

bool is_scenario_name(std::string_view name) {
  const auto fits = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  // Clients take these two out of a path (RFC 3986 5.2.4).
  if (name.empty() || name == "." || name == "..") return false;
  return name.size() <= kMaxName && std::all_of(name.begin(), name.end(), fits);
}

// Calls `act` with each control until one knows the name.
template <class Act>
TargetReply of_scenario(TargetParts& target, const std::string& name, Act act) {
  for (const auto& fault : target.faults) {
    if (act(*fault)) return list_scenarios(target);
  }
  return in_words(404, "there is no scenario " + in_quotes(name));
}

TargetReply put_scenario(TargetParts& target, const std::string& name, const std::string& body) {
  Problems problems;
  Scenario scenario = read_scenario(name, body, problems);
  if (problems.has_errors()) {
    std::string lines;
    for (const Problem& problem : problems.sorted()) {
      lines += (lines.empty() ? "" : "\n") + to_string(problem);
    }
    return in_words(400, lines);
  }
  // The one that has it, or else the first.
  FaultControl* owner = target.faults.front().get();
  for (const auto& fault : target.faults) {
    const auto all = fault->scenarios();
    if (std::any_of(all.begin(), all.end(), [&](const auto& each) { return each.name == name; })) {
      owner = fault.get();
    }
  }
  const auto fresh = owner->put(name, std::move(scenario));
  if (!fresh) {
    return in_words(
        409, "there are " + std::to_string(kMaxScenarios) + " scenarios already; delete one");
  }
  TargetReply reply = list_scenarios(target);
  reply.status = *fresh ? 201 : 200;
  return reply;
}

TargetReply answer_scenario(TargetParts& target, std::string_view method, std::string_view rest,
                            const std::string& body) {
  const std::size_t slash = rest.find('/');
  const std::string name(rest.substr(0, slash));
  if (!is_scenario_name(name)) return in_words(400, in_quotes(name) + " is not a scenario's name");
  if (slash == std::string_view::npos) {
    if (method == "PUT") return put_scenario(target, name, body);
    if (method != "DELETE") return not_allowed("PUT, DELETE");
    return of_scenario(target, name, [&](FaultControl& fault) { return fault.remove(name); });
  }
  const std::string_view verb = rest.substr(slash + 1);
  if (verb != "start" && verb != "stop" && verb != "reset") {
    return in_words(404, "a scenario can be told to start, stop or reset");
  }
  if (method != "POST") return not_allowed("POST");
  return of_scenario(target, name, [&](FaultControl& fault) {
    return verb == "start"  ? fault.begin(name)
           : verb == "stop" ? fault.end(name)
                            : fault.reset(name);
  });
}

TargetReply answer_seed(TargetParts& target, std::string_view method, const std::string& body) {
  if (method == "PUT") {
    boost::system::error_code error;
    const json::value value = json::parse(body, error);
    const json::object* const object = error ? nullptr : value.if_object();
    const json::value* const seed = object == nullptr ? nullptr : object->if_contains("seed");
    boost::system::error_code not_number;
    const auto number = seed == nullptr || !seed->is_number()
                            ? std::uint64_t{0}
                            : seed->to_number<std::uint64_t>(not_number);
    if (seed == nullptr || !seed->is_number() || not_number) {
      return in_words(400, R"(the body is not a seed; write {"seed": 7})");
    }
    for (const auto& fault : target.faults) fault->set_seed(number);
  } else if (method != "GET" && method != "HEAD") {
    return not_allowed("GET, HEAD, PUT");
  }
  return {200, json::serialize(json::object{{"seed", target.faults.front()->seed()}})};
}

TargetReply answer_evidence(TargetParts& target, std::string_view method,
                            const std::map<std::string, std::string>& query) {
  if (method == "DELETE") {
    target.evidence->clear();
    return {204, {}, {}};
  }
  if (method != "GET" && method != "HEAD") return not_allowed("GET, HEAD, DELETE");
  const auto value_of = [&](const char* key) {
    const auto found = query.find(key);
    return found == query.end() ? std::string() : found->second;
  };
  dns::EvidenceFilter filter;
  if (const std::string text = value_of("client"); !text.empty()) {
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(text, error);
    if (error) return in_words(400, "client: " + in_quotes(text) + " is not an address");
    filter.client = dns::client_text(dns::make_endpoint(address, 0));
  }
  if (const std::string text = value_of("name"); !text.empty()) {
    const auto name = dns::Name::from_text(text);
    if (!name) return in_words(400, "name: " + in_quotes(text) + " is not a domain name");
    dns::Name lower = *name;
    lower.make_lower();
    filter.name = lower.to_text();
  }
  if (const std::string text = value_of("type"); !text.empty()) {
    dns::RRType type{};
    if (!dns::rrtype_from_text(text, &type)) {
      return in_words(400, "type: " + in_quotes(text) + " is not a record type");
    }
    filter.type = dns::rrtype_to_text(type);
  }
  std::optional<std::uint64_t> seed;
  if (!target.faults.empty()) seed = target.faults.front()->seed();
  TargetReply reply;
  // It may be long: each piece is made when the one before has been sent.
  const std::uint64_t version = target.evidence->version();
  reply.etag =
      fmt::format("W/\"{:x}-{:x}-{:x}\"", version, seed ? *seed + 1 : 0,
                  std::hash<std::string>{}(filter.client + ' ' + filter.name + ' ' + filter.type));
  reply.more = [writer =
                    std::make_shared<EvidenceWriter>(target.evidence, std::move(filter), seed)](
                   std::string& piece) { return writer->write(piece); };
  return reply;
}

}  // namespace

std::optional<TargetReply> answer_target_api(TargetParts& target, std::string_view method,
                                             std::string_view path,
                                             const std::map<std::string, std::string>& query,
                                             const std::string& body) {
  if (path == kEvidence) {
    if (target.evidence == nullptr) return std::nullopt;
    return answer_evidence(target, method, query);
  }
  if (target.faults.empty()) return std::nullopt;
  if (path == kSeed) return answer_seed(target, method, body);
  if (path == kScenarios) {
    if (method != "GET" && method != "HEAD") return not_allowed("GET, HEAD");
    return list_scenarios(target);
  }
  if (path.starts_with(kScenarios) && path.size() > kScenarios.size() + 1 &&
      path[kScenarios.size()] == '/') {
    return answer_scenario(target, method, path.substr(kScenarios.size() + 1), body);
  }
  return std::nullopt;
}

std::string target_health_line(const TargetParts& target) {
  return target.faults.empty() ? std::string()
                               : "fault: answers of this server are wrong on purpose";
}

}  // namespace clusterdns::app
