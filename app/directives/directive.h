// The table of directives. Adding one is adding a file beside this and a line to table.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <spdlog/logger.h>

#include "app/admin/metrics.h"
#include "app/admin/plan.h"
#include "app/cluster_source.h"
#include "app/corefile/ast.h"
#include "app/logging.h"
#include "dns/query/stage.h"
#include "dns/server/configuration.h"
#include "dns/server/reclaim.h"
#include "zones/table_feed.h"

namespace clusterdns::app {

// One source with the tables made from it.
struct ClusterData {
  std::shared_ptr<ClusterSource> source;
  struct Table {
    std::shared_ptr<zones::RecordTable> table;
    std::shared_ptr<zones::TableFeed> feed;
  };
  std::map<std::string, Table> tables;  // by their options
};

// Something of a configuration that lives on the control thread beside the workers: a file that is
// followed, for example.
class Companion {
 public:
  Companion() = default;
  Companion(const Companion&) = delete;
  Companion& operator=(const Companion&) = delete;
  virtual ~Companion() = default;
  // The configuration is served from now on.
  virtual void start(boost::asio::io_context& io) = 0;
  // It is not any more; no handler of this may run afterwards.
  virtual void stop() noexcept = 0;
};

// What the directives of all server blocks share while a configuration is built.
struct Environment {
  dns::ReclaimDomain& reclaim;
  unsigned workers;
  std::shared_ptr<spdlog::logger> logger;
  // Every address that will be listened on, of all blocks; port 0 is not known yet.
  std::vector<dns::ListenAddress> listens;
  // Sources by what they read; blocks that say the same share one.
  std::map<std::string, ClusterData> clusters;
  // The source of `kubernetes` directives that name none: a registry that was handed in by an
  // embedding program; nullptr otherwise.
  std::shared_ptr<ClusterSource> handed_in;
  // True when only checking: nothing is connected, watched or looked up on the machine.
  bool check_only = false;
  // The sources of the configuration that this one will replace; nullptr at the start. What reads
  // the same goes on.
  const std::map<std::string, ClusterData>* previous = nullptr;
  // What `health`, `ready`, `prometheus` and `reload` of all blocks ask for.
  AdminPlan admin = {};
  // Where queries are counted; nullptr: nowhere.
  std::shared_ptr<Metrics> metrics = {};
  // Filled while the configuration is built; see Metrics::replace.
  std::vector<Metrics::Plugin> plugins = {};
  std::vector<Metrics::Collector> collectors = {};
  // Started once this configuration is served, stopped when another one has taken over.
  std::vector<std::shared_ptr<Companion>> companions = {};
  // Ends the program with this message; any thread. Empty where nothing may end it: in a program
  // that embeds the server.
  std::function<void(const std::string&)> fatal = {};
  // The logger's: whether a query's line has members.
  LogFormat log_format = LogFormat::Text;
};

// What happens when an upstream turns out to be this server itself.
enum class LoopAction : std::uint8_t {
  Watch,  // without `loop`: that upstream is not asked any more
  Probe,  // `loop`: the same, and it is looked for at the start
  Fatal,  // `loop fatal`: the program ends, as CoreDNS does
};

// One server block while it is built.
struct BlockSetup {
  const ServerBlock& block;
  Environment& environment;
  dns::Route& route;
  bool rotate = true;  // round robin, see `loadbalance`
  bool count = false;  // see `prometheus`
  std::string server = {};  // the label of series that stages count for themselves: "dns://:53"
  LoopAction loop = LoopAction::Watch;  // see `loop`
};

struct DirectiveSpec {
  std::string_view name;
  std::string_view usage;    // one line of grammar
  std::string_view summary;  // one line of help
  // Checks the directive and adds what it stands for. Throws ConfigError. nullptr: handled before
  // the block is built (`bind`, `workers`), or known to CoreDNS but not built yet.
  void (*set_up)(const Directive&, BlockSetup&) = nullptr;
  bool built = true;
  bool repeatable = false;
};

// In the order in which stages see a query; the order in the file does not matter (as CoreDNS's
// plugin.cfg).
[[nodiscard]] std::span<const DirectiveSpec> directives();
// nullptr: no such directive.
[[nodiscard]] const DirectiveSpec* find_directive(std::string_view name);

void set_up_reload(const Directive&, BlockSetup&);
void set_up_ready(const Directive&, BlockSetup&);
void set_up_health(const Directive&, BlockSetup&);
void set_up_prometheus(const Directive&, BlockSetup&);
void set_up_errors(const Directive&, BlockSetup&);
void set_up_log(const Directive&, BlockSetup&);
void set_up_loadbalance(const Directive&, BlockSetup&);
void set_up_kubernetes(const Directive&, BlockSetup&);
void set_up_hosts(const Directive&, BlockSetup&);
void set_up_cache(const Directive&, BlockSetup&);
void set_up_loop(const Directive&, BlockSetup&);
void set_up_proxy(const Directive&, BlockSetup&);
void set_up_search(const Directive&, BlockSetup&);
void set_up_forward(const Directive&, BlockSetup&);
void set_up_whoami(const Directive&, BlockSetup&);

// The addresses a block listens on without ports: those of its `bind`, or all of the machine.
[[nodiscard]] std::vector<boost::asio::ip::address> bound_addresses(const ServerBlock& block);
// `workers N` of any block; 0: not given. Two different ones are an error.
[[nodiscard]] unsigned worker_count(const Corefile& corefile);

// Zone text as wire form. Throws ConfigError at `at` when it is no name.
[[nodiscard]] dns::Name zone_name(const std::string& text, const Position& at);

}  // namespace clusterdns::app
