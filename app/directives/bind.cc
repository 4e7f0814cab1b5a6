// bind ADDRESS|INTERFACE… [{ except ADDRESS|INTERFACE… }]
#include <algorithm>
#include <set>

#include "app/corefile/arguments.h"
#include "app/directives/directive.h"

namespace clusterdns::app {
namespace {

using boost::asio::ip::address;

// Whether a socket can be bound to `a` here, by what the interfaces have.
bool is_of_this_machine(const address& a, const Environment& environment) {
  if (a.is_unspecified() || a.is_loopback()) return true;
  return std::ranges::any_of(environment.interfaces, [&](const dns::InterfaceAddress& own) {
    const address& b = own.address;
    if (!a.is_v6() || !b.is_v6()) return a == b;
    return a.to_v6().to_bytes() == b.to_v6().to_bytes();
  });
}

std::vector<address> addresses_of(const Token& token, Environment& environment) {
  boost::system::error_code error;
  address parsed = boost::asio::ip::make_address(token.text, error);
  // An IPv4 address in IPv6 form (RFC 4291 2.5.5.2) is the IPv4 address.
  if (!error && parsed.is_v6() && parsed.to_v6().is_v4_mapped()) {
    parsed = boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, parsed.to_v6());
  }
  if (!error) {
    // A server that tries finds out; address and interface may be there by then.
    if (environment.check_only && !environment.elsewhere &&
        !is_of_this_machine(parsed, environment)) {
      environment.problems.warn(token.at,
                                in_quotes(token.text) +
                                    " is not an address of this machine; the server cannot "
                                    "listen there");
    }
    return {parsed};
  }
  std::vector<address> found;
  if (environment.elsewhere) return found;
  for (const auto& [name, own] : environment.interfaces) {
    if (name == token.text) found.push_back(own);
  }
  if (found.empty()) {
    fail(token, "is neither an address nor an interface with addresses; `ip address` lists them");
  }
  return found;
}

std::vector<address> addresses_of(std::span<const Token> tokens, Environment& environment) {
  std::vector<address> all;
  for (const Token& token : tokens) {
    environment.problems.attempt([&] {
      for (const address& a : addresses_of(token, environment)) all.push_back(a);
    });
  }
  return all;
}

}  // namespace

std::vector<address> bound_addresses(const ServerBlock& block, Environment& environment) {
  Problems& problems = environment.problems;
  std::vector<address> all;
  std::set<address> known;
  const auto add = [&](const address& a) {
    if (known.insert(a).second) all.push_back(a);
  };
  bool any = false;
  for (const Directive& directive : block.directives) {
    if (directive.name.text != "bind") continue;
    any = true;
    problems.attempt([&] { require_arguments(directive, 1, kAnyNumber, "bind ADDRESS…"); });
    std::set<address> except;
    for (const Directive& property : directive.block) {
      static constexpr std::string_view kKnown[] = {"except"};
      problems.attempt([&] {
        if (property.name.text != "except") fail_unknown_property(property, "bind", kKnown);
        require_arguments(property, 1, kAnyNumber, "except ADDRESS…");
        require_no_block(property);
        const auto left_out = addresses_of(property.args, environment);
        except = {left_out.begin(), left_out.end()};
      });
    }
    for (const address& a : addresses_of(directive.args, environment)) {
      if (!except.contains(a)) add(a);
    }
  }
  if (!any) {
    add(boost::asio::ip::address_v4::any());
    add(boost::asio::ip::address_v6::any());
  }
  return all;
}

unsigned worker_count(const Corefile& corefile, Problems& problems) {
  // More threads than that only wait for each other.
  constexpr std::int64_t kMaxWorkers = 256;
  const Token* first = nullptr;
  unsigned count = 0;
  for (const ServerBlock& block : corefile.blocks) {
    for (const Directive& directive : block.directives) {
      if (directive.name.text != "workers") continue;
      problems.attempt([&] {
        require_no_block(directive);
        const Token& token = only_argument(directive, "workers N");
        const auto n = static_cast<unsigned>(parse_integer(token, 1, kMaxWorkers));
        if (first != nullptr && n != count) {
          fail(token, "differs from the " + first->text + " at " + to_string(first->at) +
                          "; all server blocks share the workers: set it once");
        }
        first = &token;
        count = n;
      });
    }
  }
  return count;
}

}  // namespace clusterdns::app
