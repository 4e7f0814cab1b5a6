// What expressions of `view` and `template` may ask of a query.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dns/expr/expr.h"
#include "dns/query/exchange.h"

namespace clusterdns::dns {

class QueryScope : public ExprScope {
 public:
  explicit QueryScope(const Exchange& exchange) noexcept : exchange_(exchange) {}

  // The functions, by index; what a scope adds to them comes behind.
  [[nodiscard]] static std::span<const ExprNames::Function> functions() noexcept;

  [[nodiscard]] std::optional<ExprValue> call(std::size_t function,
                                              std::span<const ExprValue> arguments) const override;
  // There are none.
  [[nodiscard]] ExprValue variable(std::size_t) const override { return {}; }

 private:
  const Exchange& exchange_;
};

// Whose queries a server block is for.
class ViewCondition {
 public:
  explicit ViewCondition(std::vector<Expr> conditions) : conditions_(std::move(conditions)) {}
  // All of them must be true.
  [[nodiscard]] bool holds(const Exchange& exchange) const;

 private:
  const std::vector<Expr> conditions_;
};

}  // namespace clusterdns::dns
