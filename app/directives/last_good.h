// What files and names of a configuration said when they were of use: a reload goes on with that
// when they are broken just then, whatever it is about. At a start there is nothing before.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>

#include "app/corefile/error.h"
#include "app/directives/directive.h"

namespace clusterdns::app {

// The companion of that type that the configuration has which is being built; nullptr: there is
// none.
template <class Type>
[[nodiscard]] Type* find_companion(const Environment& environment) {
  for (const auto& companion : environment.companions) {
    if (auto* const found = dynamic_cast<Type*>(companion.get())) return found;
  }
  return nullptr;
}

// The companion of that type that the configuration before has and `wanted` takes; nullptr: there
// is none.
template <class Type, class Wanted>
[[nodiscard]] std::shared_ptr<Type> find_before(const Environment& environment,
                                                const Wanted& wanted) {
  if (environment.previous == nullptr) return nullptr;
  for (const auto& companion : environment.previous->companions) {
    auto found = std::dynamic_pointer_cast<Type>(companion);
    if (found != nullptr && wanted(*found)) return found;
  }
  return nullptr;
}

// What or_last_good() keeps for the next configuration.
class LastGood final : public Companion {
 public:
  // That of the configuration that is being built; made with what its predecessor had.
  [[nodiscard]] static LastGood& of(Environment& environment) {
    if (auto* const found = find_companion<LastGood>(environment)) return *found;
    auto made = std::make_shared<LastGood>();
    const auto any = [](const LastGood&) { return true; };
    if (const auto before = find_before<LastGood>(environment, any)) made->before_ = before->kept_;
    environment.companions.push_back(made);
    return *made;
  }
  void start(boost::asio::io_context&) override { before_.clear(); }
  void stop() noexcept override {}

  using Values = std::map<std::string, std::shared_ptr<const void>>;
  [[nodiscard]] Values& kept() noexcept { return kept_; }
  [[nodiscard]] const Values& before() const noexcept { return before_; }

 private:
  Values kept_, before_;
};

// What `make` returns. When it throws ConfigError: what it returned for the same `key` last, with a
// warning; without that, the error. For what is read once in a configuration. `key` names directive
// and file, so that the same file read for something else is something else.
template <class Make>
[[nodiscard]] auto or_last_good(Environment& environment, const std::string& key, const Make& make)
    -> decltype(make()) {
  using Value = decltype(make());
  const std::string id = key + '\n' + typeid(Value).name();
  LastGood& last_good = LastGood::of(environment);
  try {
    auto made = std::make_shared<const Value>(make());
    last_good.kept()[id] = made;
    return *made;
  } catch (const ConfigError& e) {
    const auto before = last_good.before().find(id);
    if (before == last_good.before().end()) throw;
    last_good.kept()[id] = before->second;
    environment.problems.warn(e.at(), e.message() + "; going on with what it said before");
    return *std::static_pointer_cast<const Value>(before->second);
  }
}

}  // namespace clusterdns::app
