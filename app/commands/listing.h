// Lists as `services` and `hosts` print them: a table for people, JSON or YAML for programs.
#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "app/commands/command_line.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

// The first `most` of `words`, and how many more there are: "a,b,+3"; "-" when there are none. Rows
// stay readable; JSON and YAML have all.
[[nodiscard]] std::string join_words(const std::vector<std::string>& words, std::size_t most);

// Lines of as many cells each, the first being the titles, in columns; what does not print is
// escaped.
void print_columns(std::vector<std::vector<std::string>> lines, std::ostream& out);

// A namespace that is not there is a slip, and no reason to show an empty table: throws
// std::runtime_error.
void require_namespace(std::string_view command, const std::string& name,
                       const Environment& environment);

// As JSON or YAML.
void print_values(const boost::json::array& values, OutputFormat format, std::ostream& out);
// The same of rows that `value` makes objects of.
template <typename Row>
void print_list(const std::vector<Row>& rows, boost::json::object (*value)(const Row&),
                OutputFormat format, std::ostream& out) {
  boost::json::array values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.emplace_back(value(row));
  print_values(values, format, out);
}

}  // namespace clusterdns::app
