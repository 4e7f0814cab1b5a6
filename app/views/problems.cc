#include "app/views/problems.h"

#include "app/base/json.h"

namespace clusterdns::app {

boost::json::object problem_value(const Problem& problem) {
  return {{"severity", problem.is_error() ? "error" : "warning"},
          {"file", json_text(problem.file)},
          {"line", problem.line},
          {"column", problem.column},
          {"text", json_text(problem.text)}};
}

}  // namespace clusterdns::app
