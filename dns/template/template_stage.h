// `template`: answers made of the question by templates (CoreDNS's template plugin).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/policy/query_scope.h"
#include "dns/query/expression.h"
#include "dns/query/stage.h"
#include "dns/query/worker_counters.h"
#include "dns/template/go_template.h"
#include "dns/wire/zone_set.h"

namespace clusterdns::dns {

class TemplateStage final : public Stage {
 public:
  // What `.` of a template has.
  [[nodiscard]] static std::span<const TemplateField> fields() noexcept;
  // What expressions may ask: QueryScope's, and group().
  [[nodiscard]] static std::span<const ExprNames::Function> functions() noexcept;

  struct Variable {
    std::string name;
    Expr value;
  };
  struct Record {
    Section section{};
    GoTemplate text;
  };
  struct Options {
    RRClass rrclass = RRClass::Any;
    RRType type = RRType::ANY;
    ZoneSet zones;
    std::vector<std::string> zone_texts;  // of `zones`
    std::vector<Expression> patterns;     // the first that matches counts; none: every name does
    std::vector<Variable> variables;
    std::vector<Expr> conditions;
    std::vector<Record> records;
    Rcode rcode = Rcode::NoError;
    std::optional<std::uint16_t> extended_error;
    std::string extended_text;
    bool falls_through = false;
    ZoneSet fall_through;  // at and below these; only with falls_through
  };
  TemplateStage(Options options, unsigned workers);

  [[nodiscard]] std::string_view name() const noexcept override { return "template"; }
  [[nodiscard]] bool decides_by_rules() const noexcept override { return true; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept override {
    return options_.rrclass == RRClass::Any || options_.rrclass == rrclass;
  }

  // For metrics: matches by zone, class and type, where there were any.
  struct Matches {
    std::size_t zone;
    std::string rrclass;
    std::string type;
    std::uint64_t count;
  };
  [[nodiscard]] std::vector<Matches> matches() const;
  enum class Failure : std::uint8_t { Template, Record };
  [[nodiscard]] std::uint64_t failures(std::size_t record, Failure failure) const noexcept;
  [[nodiscard]] const Options& options() const noexcept { return options_; }

 private:
  struct Match;
  [[nodiscard]] Verdict answer(Exchange& exchange, const Match& match) const;
  [[nodiscard]] Verdict no_match(Exchange& exchange) const noexcept;
  void count_match(const Exchange& exchange, std::size_t zone) noexcept;

  const Options options_;
  ExtendedErrorNote note_;
  mutable WorkerCounters matches_;
  mutable WorkerCounters failures_;
};

}  // namespace clusterdns::dns
