// What expressions of `view` and `template` may ask of a query.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dns/expr/expr.h"
#include "dns/query/exchange.h"
#include "dns/query/metadata.h"

namespace clusterdns::dns {

class QueryScope : public ExprScope {
 public:
  // `metadata`: whose labels metadata() knows; nullptr: those of the stages of its route.
  explicit QueryScope(const Exchange& exchange, const MetadataSource* metadata = nullptr) noexcept
      : exchange_(exchange), metadata_(metadata) {}

  // The functions, by index; what a scope adds to them comes behind.
  [[nodiscard]] static std::span<const ExprNames::Function> functions() noexcept;

  [[nodiscard]] std::optional<ExprValue> call(std::size_t function,
                                              std::span<const ExprValue> arguments) const override;
  // There are none.
  [[nodiscard]] ExprValue variable(std::size_t) const override { return {}; }

 private:
  const Exchange& exchange_;
  const MetadataSource* const metadata_;
};

// Whose queries a server block is for.
class ViewCondition {
 public:
  // `metadata`: of the server block that it is for; nullptr: none.
  explicit ViewCondition(std::vector<Expr> conditions,
                         std::shared_ptr<const MetadataSource> metadata = nullptr)
      : conditions_(std::move(conditions)), metadata_(std::move(metadata)) {}
  // All of them must be true.
  [[nodiscard]] bool holds(const Exchange& exchange) const;

 private:
  const std::vector<Expr> conditions_;
  const std::shared_ptr<const MetadataSource> metadata_;
};

}  // namespace clusterdns::dns
