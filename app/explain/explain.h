// Why a name resolves as it does, and what is wrong with the objects behind it.
//
// A library call: `clusterdns explain` prints what it returns. Who has the cluster and somebody to
// ask passes them in; nothing here reads files, sockets or a clock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "dns/wire/name.h"
#include "dns/wire/types.h"
#include "registry/gateways/checks.h"
#include "registry/gateways/plan.h"
#include "registry/store.h"

namespace clusterdns::app {

// Objects of one role that are shown, and problems; and octets of what is said of one object.
inline constexpr std::size_t kMaxExplained = 500;
inline constexpr std::size_t kMaxExplainedDetail = 1024;

struct ExplainRequest {
  std::string name;  // as typed; with a trailing dot it is not searched
  dns::RRType type = dns::RRType::A;
  std::string client = "127.0.0.1";
  std::optional<std::string> ns;  // as from a pod there
};

struct ExplainedRecord {
  std::string name;  // with its trailing dot
  std::string type;
  std::uint32_t ttl = 0;
  std::string data;
};

// What was answered to one question.
struct ExplainedAnswer {
  std::string rcode;  // "NOERROR"
  std::string stage;  // the directive that answered; empty: none did
  std::vector<ExplainedRecord> records;
  std::string error;                   // text of an Extended DNS Error; empty: none
  std::string upstream;                // whom it was asked of; empty: nobody
  std::optional<std::uint32_t> age{};  // of what `cache` answered, in seconds
};

struct ExplainedTry {
  std::string name;
  std::string rcode;
};

// One object of the chain.
struct ExplainedObject {
  std::string kind, group;
  registry::ObjectKey key;
  std::string
      role;  // accepts, routes, rival, address, destination, policy, slice, pod, entry, scope
  std::string detail;
  std::string source;     // file:line, or `api`
  std::string created{};  // metadata.creationTimestamp (RFC 3339); empty: not known
};

struct Explanation {
  ExplainRequest request;
  std::string question;  // the name, with its trailing dot
  ExplainedAnswer answer;
  std::vector<ExplainedTry> tried;
  std::vector<ExplainedObject> objects;
  std::vector<registry::gateways::Finding> problems;
  bool truncated = false;  // there is more than is shown, see kMaxExplained

  // The name exists and no problem is an error.
  [[nodiscard]] bool good() const noexcept;
};

// Whoever answers questions: the stages of a configuration, or a running server.
class Asker {
 public:
  Asker() = default;
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;
  virtual ~Asker() = default;

  virtual ExplainedAnswer ask(const dns::Name& name, dns::RRType type) = 0;
  // The same by upstreams alone, as if there were no `gateways`; nullopt when none is asked.
  virtual std::optional<ExplainedAnswer> ask_outside(const dns::Name& name, dns::RRType type) = 0;
  // What `search` tries for this name on behalf of the client, in order; empty: it does not.
  virtual std::vector<dns::Name> search_list(const dns::Name& name) = 0;
};

// What explanations of one cluster look things up in. It refers to the store, which must stay as it
// is; any number of threads may explain by it.
struct ClusterStudy {
  ClusterStudy(const registry::Store& store, const registry::gateways::CheckSettings& settings,
               registry::gateways::CheckBounds* bounds = nullptr);

  registry::gateways::ClusterIndex index;
  registry::gateways::RuleIndex rules;
  registry::gateways::HostRegistry hosts;
  registry::gateways::Plan plan;
  std::vector<registry::gateways::Finding> findings;  // all that is wrong, within the bounds
  bool truncated;                                     // one was reached
};

// The cluster that names are explained by.
struct ExplainedCluster {
  const registry::Store* store = nullptr;
  registry::gateways::CheckSettings settings;
  std::vector<dns::Name> zones;  // of the cluster; reverse zones too
  // Of an object, without a file when it is in none.
  std::function<registry::gateways::Place(const registry::gateways::ObjectName&)> place;
  bool has_api = false;                       // objects that are in no file are the API's
  std::shared_ptr<const ClusterStudy> study;  // of `store` and `settings`; nullptr: made each time
};

// Hosts that several of these clusters have: of each the objects whose addresses are not answered,
// because an earlier cluster has the host. `only`: of that host alone, without its trailing dot. At
// most kMaxExplained.
[[nodiscard]] std::vector<registry::gateways::Finding> host_conflicts(
    std::span<const ExplainedCluster> clusters,
    const std::optional<std::string>& only = std::nullopt);

// By the cluster that the name is one of, or else the first one that has it as a host; by the first
// one when none has. `clusters` may be empty.
[[nodiscard]] Explanation explain(std::span<const ExplainedCluster> clusters, Asker& asker,
                                  const ExplainRequest& request);

// The name and type that `text` asks for: the reverse name and PTR of an address. nullopt when it
// is no name.
struct ExplainedQuestion {
  dns::Name name;
  bool is_address = false;
};
[[nodiscard]] std::optional<ExplainedQuestion> explained_question(const std::string& text);

}  // namespace clusterdns::app
