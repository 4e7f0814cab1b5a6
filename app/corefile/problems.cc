#include "app/corefile/problems.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

namespace clusterdns::app {
namespace {

Problem problem_of(Problem::Severity severity, const Position& at, std::string_view message) {
  Problem problem;
  problem.severity = severity;
  problem.file = at.file;
  problem.line = static_cast<std::uint32_t>(at.line);
  problem.column = static_cast<std::uint32_t>(at.column);
  problem.text = with_subject(at, message);
  return problem;
}

}  // namespace

void Problems::add(Problem problem) {
  std::size_t& count = problem.is_error() ? errors_ : warnings_;
  if (count >= kMaxProblems) {
    ++count;
    return;
  }
  if (!known_.insert(to_string(problem)).second) return;
  ++count;
  kept_.push_back(std::move(problem));
}

void Problems::error(const Position& at, std::string_view message) {
  add(problem_of(Problem::Severity::Error, at, message));
}

void Problems::warn(const Position& at, std::string_view message) {
  add(problem_of(Problem::Severity::Warning, at, message));
}

std::vector<Problem> Problems::sorted() const {
  std::map<std::string_view, std::size_t> order;  // files, as they came
  for (const Problem& problem : kept_) order.emplace(problem.file, order.size());
  std::vector<Problem> all = kept_;
  std::stable_sort(all.begin(), all.end(), [&](const Problem& a, const Problem& b) {
    return std::tuple(order.at(a.file), a.line, a.column) <
           std::tuple(order.at(b.file), b.line, b.column);
  });
  return all;
}

bool Problems::has_error_at(const Position& at) const noexcept {
  return std::any_of(kept_.begin(), kept_.end(), [&](const Problem& problem) {
    return problem.is_error() && problem.file == at.file &&
           problem.line == static_cast<std::uint32_t>(at.line) &&
           problem.column == static_cast<std::uint32_t>(at.column);
  });
}

void Problems::throw_errors() const {
  if (errors_ == 0) return;
  std::string lines;
  std::vector<Problem> all = sorted();
  std::erase_if(all, [](const Problem& problem) { return !problem.is_error(); });
  for (const Problem& problem : all) lines += (lines.empty() ? "" : "\n") + to_string(problem);
  if (errors_ > all.size()) {
    lines += "\nand " + std::to_string(errors_ - all.size()) + " more errors";
  }
  const Problem& first = all.front();
  const ConfigError error(
      {first.file, static_cast<int>(first.line), static_cast<int>(first.column)}, first.text);
  if (errors_ == 1) throw error;
  throw ConfigErrors(lines, error);
}

}  // namespace clusterdns::app
