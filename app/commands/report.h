// `clusterdns report`: what the directive `evidence` of a running server has noted of its clients.
#pragma once

#include <ostream>
#include <string>

#include <boost/json/object.hpp>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// 0, or 1 when the server cannot be asked.
[[nodiscard]] int run_report(const ReportOptions& options, std::ostream& out, std::ostream& err);

// Three tables for people: clients, what each of them asked, and how they walked along search
// lists; what there is nothing of is left out. `evidence`: as GET /api/v1/evidence has it. Throws
// std::exception when it is not like that.
[[nodiscard]] std::string report_text(const boost::json::object& evidence);

}  // namespace clusterdns::app
