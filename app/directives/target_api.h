// What the paths of evidence, scenarios and seed below /api/v1/ answer, whatever carries them.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "app/directives/target.h"

namespace clusterdns::app {

// Octets of a scenario: kMaxFaultRules rules, of a line or two each.
inline constexpr std::size_t kScenarioOctets = 256 * 1024;

struct TargetReply {
  unsigned status = 200;
  std::string body = {};  // JSON, unless it is an error in words
  std::string content_type = "application/json";
  std::string allow = {};  // with 405: the methods that there are
  std::string etag = {};   // where the body itself does not tell whether it is the same
  // What comes behind `body`, see HttpReply::more; empty: nothing does.
  std::function<bool(std::string& piece)> more = {};
};

// GET, DELETE /api/v1/evidence[?client=&name=&type=]; GET /api/v1/scenarios; PUT, DELETE
// /api/v1/scenarios/NAME; POST /api/v1/scenarios/NAME/start|stop|reset; GET, PUT /api/v1/seed.
// nullopt: `path` is none of these, or what it is about is not in the configuration. Any thread.
[[nodiscard]] std::optional<TargetReply> answer_target_api(
    TargetParts& target, std::string_view method, std::string_view path,
    const std::map<std::string, std::string>& query, const std::string& body);

// The line of /health?verbose; empty: there is no `fault`.
[[nodiscard]] std::string target_health_line(const TargetParts& target);

}  // namespace clusterdns::app
