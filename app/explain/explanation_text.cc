#include "app/explain/explanation_text.h"

#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

#include "app/base/json.h"
#include "dns/wire/message_reader.h"
#include "registry/shown_text.h"

namespace clusterdns::app {

namespace gw = registry::gateways;
namespace json = boost::json;
using registry::printable;

namespace {

template <typename List, typename Write>
json::array array_of(const List& list, const Write& write) {
  json::array array;
  for (const auto& each : list) array.emplace_back(write(each));
  return array;
}

json::object record_value(const ExplainedRecord& record) {
  return {{"name", json_text(record.name)},
          {"type", json_text(record.type)},
          {"ttl", record.ttl},
          {"data", json_text(record.data)}};
}

json::object object_value(const ExplainedObject& object) {
  return {{"kind", json_text(object.kind)},        {"group", json_text(object.group)},
          {"namespace", json_text(object.key.ns)}, {"name", json_text(object.key.name)},
          {"role", json_text(object.role)},        {"detail", json_text(object.detail)},
          {"source", json_text(object.source)},    {"created", json_text_or_null(object.created)}};
}

// Escape sequences of terminals (ECMA-48), or nothing.
class Paint {
 public:
  explicit Paint(bool colour) : colour_(colour) {}
  [[nodiscard]] std::string bold(const std::string& text) const { return with("1", text); }
  [[nodiscard]] std::string faint(const std::string& text) const { return with("2", text); }
  [[nodiscard]] std::string severity(gw::Severity severity, const std::string& text) const {
    static constexpr std::array<const char*, 3> kColours = {"31", "33", "36"};
    return with(kColours[static_cast<std::size_t>(severity)], text);
  }
  [[nodiscard]] std::string good(bool good, const std::string& text) const {
    return with(good ? "32" : "31", text);
  }

 private:
  [[nodiscard]] std::string with(const char* code, const std::string& text) const {
    return colour_ ? "\033[" + std::string(code) + "m" + text + "\033[0m" : text;
  }
  bool colour_;
};

// Which objects hang below which: those that carry a route are roots, what they lead to is below.
unsigned depth_of(const std::string& kind, const std::string& role) {
  if (kind == "Ingress" && role != "address") return 0;  // a gateway of its own
  if (role == "routes" || role == "rival" || role == "address") return 1;
  if (role == "destination" || role == "entry") return 2;
  if (role == "policy" || role == "slice" || role == "pod") return 3;
  return 0;  // accepts, scope
}

// The same without gaps: a Service that nothing leads to is a root.
std::vector<std::size_t> depths_of(const std::vector<ExplainedObject>& objects) {
  std::vector<std::size_t> depths;
  std::vector<unsigned> above;
  for (const ExplainedObject& object : objects) {
    const unsigned depth = depth_of(object.kind, object.role);
    while (!above.empty() && above.back() >= depth) above.pop_back();
    depths.push_back(above.size());
    above.push_back(depth);
  }
  return depths;
}

std::string name_text(const std::string& kind, const registry::ObjectKey& key) {
  return printable(kind + " " + (key.ns.empty() ? "" : key.ns + "/") + key.name);
}

// `, 3 d old`; nothing when it is not known. The unit is the largest of which there are two.
std::string age_text(const std::string& created, std::chrono::system_clock::time_point now) {
  const registry::Created then = registry::parse_created(created);
  if (then == 0) return "";
  const std::int64_t age = std::chrono::system_clock::to_time_t(now) - std::int64_t{then};
  if (age < 0) return "";
  constexpr std::int64_t kMinute = 60;
  constexpr std::int64_t kHour = 60 * kMinute;
  constexpr std::int64_t kDay = 24 * kHour;
  const auto [unit, name] = age >= 2 * kDay      ? std::pair{kDay, " d"}
                            : age >= 2 * kHour   ? std::pair{kHour, " h"}
                            : age >= 2 * kMinute ? std::pair{kMinute, " min"}
                                                 : std::pair{std::int64_t{1}, " s"};
  return ", " + std::to_string(age / unit) + name + " old";
}

}  // namespace

json::object finding_value(const gw::Finding& finding, const gw::Place& place) {
  const registry::ObjectKey& key = finding.object.key;
  json::object value{{"code", json_text(finding.code)},
                     {"severity", json_text(to_string(finding.severity))},
                     {"object",
                      {{"kind", json_text(finding.object.kind)},
                       {"namespace", json_text_or_null(key.ns)},
                       {"name", json_text(key.name)}}},
                     {"text", json_text(finding.text)},
                     {"fix", json_text(finding.fix)}};
  if (place.file.empty()) return value;
  value["file"] = json_text(place.file);
  value["line"] = place.line;
  value["column"] = place.column;
  return value;
}

json::object explanation_value(const Explanation& explanation) {
  const ExplainRequest& request = explanation.request;
  json::object value{
      {"question",
       {{"name", json_text(explanation.question)},
        {"type", json_text(dns::rrtype_to_text(request.type))},
        {"client", json_text(request.client)},
        {"namespace", request.ns ? json::value(json_text(*request.ns)) : nullptr}}},
      {"answer",
       {{"rcode", json_text(explanation.answer.rcode)},
        {"stage", json_text_or_null(explanation.answer.stage)},
        {"records", array_of(explanation.answer.records, record_value)},
        {"error", json_text_or_null(explanation.answer.error)},
        {"upstream", json_text_or_null(explanation.answer.upstream)},
        {"age_s", explanation.answer.age ? json::value(*explanation.answer.age) : nullptr}}},
      {"tried",
       array_of(
           explanation.tried,
           [](const ExplainedTry& one) {
             return json::object{{"name", json_text(one.name)}, {"rcode", json_text(one.rcode)}};
           })},
      {"objects", array_of(explanation.objects, object_value)},
      {"problems", array_of(explanation.problems,
                            [](const gw::Finding& finding) { return finding_value(finding); })}};
  if (explanation.truncated) value["truncated"] = true;
  return value;
}

std::string explanation_json(const Explanation& explanation) {
  return json_page(explanation_value(explanation));
}

Explanation explanation_from(const json::value& value) {
  // The server's text is somebody else's: what is not as it should be throws.
  const auto text = text_member;
  const json::object& object = value.as_object();
  Explanation result;
  const json::object& question = object.at("question").as_object();
  result.question = text(question, "name");
  result.request.name = result.question;
  if (!dns::rrtype_from_text(text(question, "type"), &result.request.type)) {
    throw std::runtime_error("the server's explanation has no type that is known");
  }
  result.request.client = text(question, "client");
  if (!question.at("namespace").is_null()) result.request.ns = text(question, "namespace");
  const json::object& answer = object.at("answer").as_object();
  result.answer.rcode = text(answer, "rcode");
  result.answer.stage = text(answer, "stage");
  result.answer.error = text(answer, "error");
  result.answer.upstream = text(answer, "upstream");
  if (const auto* const age = answer.if_contains("age_s"); age != nullptr && !age->is_null()) {
    result.answer.age = age->to_number<std::uint32_t>();
  }
  for (const json::value& each : answer.at("records").as_array()) {
    const json::object& record = each.as_object();
    result.answer.records.push_back({text(record, "name"), text(record, "type"),
                                     record.at("ttl").to_number<std::uint32_t>(),
                                     text(record, "data")});
  }
  for (const json::value& each : object.at("tried").as_array()) {
    const json::object& tried = each.as_object();
    result.tried.push_back({text(tried, "name"), text(tried, "rcode")});
  }
  for (const json::value& each : object.at("objects").as_array()) {
    const json::object& known = each.as_object();
    result.objects.push_back(
        {text(known, "kind"),
         text(known, "group"),
         {text(known, "namespace"), text(known, "name")},
         text(known, "role"),
         text(known, "detail"),
         text(known, "source"),
         known.if_contains("created") == nullptr || known.at("created").is_null()
             ? ""
             : text(known, "created")});
  }
  for (const json::value& each : object.at("problems").as_array()) {
    const json::object& problem = each.as_object();
    gw::Finding finding;
    finding.code = text(problem, "code");
    const std::string severity = text(problem, "severity");
    finding.severity = severity == "error"     ? gw::Severity::Error
                       : severity == "warning" ? gw::Severity::Warning
                                               : gw::Severity::Info;
    const json::object& about = problem.at("object").as_object();
    finding.object = {text(about, "kind"), {text(about, "namespace"), text(about, "name")}};
    finding.text = text(problem, "text");
    finding.fix = text(problem, "fix");
    result.problems.push_back(std::move(finding));
  }
  const json::value* const truncated = object.if_contains("truncated");
  result.truncated = truncated != nullptr && truncated->is_bool() && truncated->get_bool();
  return result;
}

std::string explanation_text(const Explanation& explanation, bool colour,
                             std::chrono::system_clock::time_point now) {
  const Paint paint(colour);
  const ExplainRequest& request = explanation.request;
  std::string text =
      paint.bold(printable(explanation.question)) + " " + dns::rrtype_to_text(request.type) + "\n";
  if (request.ns) text += "  as from a pod in namespace " + printable(*request.ns) + "\n";
  for (const ExplainedTry& one : explanation.tried) {
    text += paint.faint("  tried " + printable(one.name) + ": " + printable(one.rcode)) + "\n";
  }
  const auto& objects = explanation.objects;
  const std::vector<std::size_t> depths = depths_of(objects);
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const std::size_t depth = depths[i];
    std::string branch = "  ";
    for (std::size_t level = 0; level < depth; ++level) {
      // Does a later object of that level still come, before one above it?
      bool goes_on = false;
      for (std::size_t k = i + 1; k < objects.size(); ++k) {
        if (depths[k] < level + 1) break;
        if (depths[k] == level + 1) goes_on = true;
      }
      if (level + 1 == depth) {
        branch += goes_on ? "├─ " : "└─ ";
      } else {
        branch += goes_on ? "│  " : "   ";
      }
    }
    text += branch + name_text(objects[i].kind, objects[i].key) + " " +
            paint.faint("(" + printable(objects[i].role) + ")") + " " +
            printable(objects[i].detail) + age_text(objects[i].created, now) +
            paint.faint("  " + printable(objects[i].source)) + "\n";
  }
  const ExplainedAnswer& answer = explanation.answer;
  text += "answer: " + paint.good(answer.rcode == "NOERROR", printable(answer.rcode));
  if (!answer.stage.empty()) text += " by " + printable(answer.stage);
  if (!answer.upstream.empty()) text += ", asked of " + printable(answer.upstream);
  if (answer.age) text += ", kept for " + std::to_string(*answer.age) + " s";
  if (answer.rcode == "NOERROR" && answer.records.empty()) text += ", no data of this type";
  text += "\n";
  for (const ExplainedRecord& record : answer.records) {
    text += "  " + printable(record.name) + " " + std::to_string(record.ttl) + " " + record.type +
            " " + paint.bold(printable(record.data)) + "\n";
  }
  if (!answer.error.empty()) text += "  " + printable(answer.error) + "\n";
  for (const gw::Finding& finding : explanation.problems) {
    text += paint.severity(finding.severity, to_string(finding.severity)) + " " +
            printable(finding.code) + ": " + name_text(finding.object.kind, finding.object.key) +
            ": " + printable(finding.text) + "\n";
    if (!finding.fix.empty()) text += "  -> " + printable(finding.fix) + "\n";
  }
  if (explanation.problems.empty()) text += "no problems\n";
  if (explanation.truncated) text += "there is more than is shown here\n";
  return text;
}

}  // namespace clusterdns::app
