// `rewrite`: asks another question than the client did, and gives the answer the client's name back
// (CoreDNS's rewrite plugin).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "dns/query/stage.h"
#include "dns/rewrite/name_rules.h"

namespace clusterdns::dns {

// What is done to the names of an answer.
struct AnswerRule {
  enum class Part : std::uint8_t { Owner, Value };
  Part part = Part::Owner;
  NameRule rule;  // Regex or Suffix
};

// `rewrite name`.
struct RewriteName {
  NameRule rule;
  // Names in the answer that are the new one, or below it, become the old one, or names below that.
  bool revert = false;
  std::vector<AnswerRule> answers;
};
// `rewrite type` and `rewrite class`.
struct RewriteType {
  RRType from{};
  RRType to{};
};
struct RewriteClass {
  RRClass from{};
  RRClass to{};
};
// `rewrite ttl`: TTLs of the answer are put between the two, in seconds.
struct RewriteTtl {
  NameRule names;
  std::uint32_t min = 0;
  std::uint32_t max = 0;
};
// `rewrite rcode`.
struct RewriteRcode {
  NameRule names;
  std::uint16_t from = 0;
  std::uint16_t to = 0;
};
// `rewrite cname`: where an alias of the answer leads.
struct RewriteCname {
  NameRule rule;
};
// `rewrite edns0`: options of the question, as upstreams are sent it.
struct RewriteEdns {
  enum class Action : std::uint8_t { Set, Append, Replace, Unset };
  enum class Data : std::uint8_t {
    Octets,
    QName,
    QType,
    ClientIp,
    ClientPort,
    Protocol,
    ServerIp,
    ServerPort,
    Subnet,   // of the client (RFC 7871)
    Nothing,  // of what nobody knows: the rule never applies
  };
  std::uint16_t code = 0;
  Action action = Action::Set;
  Data data = Data::Octets;
  std::vector<std::uint8_t> octets;
  std::uint8_t prefix_v4 = 0;
  std::uint8_t prefix_v6 = 0;
  bool revert = false;  // the client is not shown it
};

struct RewriteRule {
  bool stop = true;  // when it applies, no other does
  std::variant<RewriteName, RewriteType, RewriteClass, RewriteTtl, RewriteRcode, RewriteCname,
               RewriteEdns>
      what;
};

// Zone transfers go on as they are. A name that is none after a rule makes the answer SERVFAIL.
class RewriteStage final : public Stage {
 public:
  // The rules are tried in the order in which they are added, all of them before the first query.
  void add(RewriteRule rule);

  [[nodiscard]] std::string_view name() const noexcept override { return "rewrite"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;
  // Classes that a rule changes.
  [[nodiscard]] bool serves(RRClass rrclass) const noexcept override;

 private:
  class Rewriting;
  struct Applied;
  using AppliedRules = std::vector<Applied>;
  // What the rules have to say about an answer, and about where it comes from.
  struct Plan;

  // Changes outer.answer by plan.rules[count - 1], the one before it, and so on.
  [[nodiscard]] static Verdict change_answer(Exchange& outer, Plan plan,
                                             std::size_t count) noexcept;

  std::deque<RewriteRule> rules_;
  RuleIndex index_;
};

}  // namespace clusterdns::dns
