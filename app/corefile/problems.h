// Everything that is wrong with a configuration, gathered instead of ending at the first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "app/corefile/ast.h"
#include "app/corefile/error.h"
#include "registry/problem.h"

namespace clusterdns::app {

using registry::Problem;

// Problems of one severity that are kept; more are counted.
inline constexpr std::size_t kMaxProblems = 100;

// Not thread-safe.
class Problems {
 public:
  // The same text at the same place is kept once: a snippet may be imported many times.
  void add(Problem problem);
  void error(const Position& at, std::string_view message);
  void warn(const Position& at, std::string_view message);
  void add(const ConfigError& error) { this->error(error.at(), error.message()); }

  // Runs `call`; a ConfigError of it is kept, and what comes next goes on. False then.
  template <typename Call>
  bool attempt(const Call& call) {
    try {
      call();
      return true;
    } catch (const ConfigErrors&) {
      throw;  // an end, and its parts are here already
    } catch (const ConfigError& e) {
      add(e);
      return false;
    }
  }

  [[nodiscard]] bool has_errors() const noexcept { return errors_ != 0; }
  // Whether one of those that are kept is an error there.
  [[nodiscard]] bool has_error_at(const Position& at) const noexcept;
  // All that were added, those that are not kept too.
  [[nodiscard]] std::size_t errors() const noexcept { return errors_; }
  [[nodiscard]] std::size_t warnings() const noexcept { return warnings_; }
  // Those that are kept, each file by itself, from its beginning to its end.
  [[nodiscard]] std::vector<Problem> sorted() const;
  // Throws what there is of errors, if there is any: ConfigError, or ConfigErrors.
  void throw_errors() const;

 private:
  std::vector<Problem> kept_;
  std::set<std::string> known_;
  std::size_t errors_ = 0, warnings_ = 0;
};

}  // namespace clusterdns::app
