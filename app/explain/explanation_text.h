// Explanations for people and for programs.
#pragma once

#include <chrono>
#include <string>

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include "app/explain/explain.h"

namespace clusterdns::app {

// What `explain -o json` prints, with a line feed at its end.
[[nodiscard]] std::string explanation_json(const Explanation& explanation);
[[nodiscard]] boost::json::object explanation_value(const Explanation& explanation);
// `place`: of the object that it is about, where that is in a file.
[[nodiscard]] boost::json::object finding_value(const registry::gateways::Finding& finding,
                                                const registry::gateways::Place& place = {});
// What explanation_value() was made of. Throws std::exception when it was not.
[[nodiscard]] Explanation explanation_from(const boost::json::value& value);
// The chain as a tree, the answer, the problems with what to do. `now`: by which objects have an
// age.
[[nodiscard]] std::string explanation_text(
    const Explanation& explanation, bool colour,
    std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace clusterdns::app
