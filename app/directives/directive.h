// The table of directives. Adding one is adding a file beside this and a line to table.cc.
#pragma once

#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <spdlog/logger.h>
#include <boost/asio/io_context.hpp>

#include "app/admin/metrics.h"
#include "app/admin/plan.h"
#include "app/corefile/arguments.h"
#include "app/corefile/ast.h"
#include "app/corefile/options.h"
#include "app/corefile/problems.h"
#include "app/directives/cluster_source.h"
#include "app/log/logging.h"
#include "dns/cache/answer_cache.h"
#include "dns/concurrent/reclaim.h"
#include "dns/forward/forward_stage.h"
#include "dns/net/interfaces.h"
#include "dns/query/stage.h"
#include "dns/resolve/cache_stage.h"
#include "dns/server/configuration.h"
#include "dns/wire/zone_set.h"
#include "zones/host_feed.h"
#include "zones/table_feed.h"

namespace clusterdns::dns {
class AclRules;
class ViewCondition;
}  // namespace clusterdns::dns

namespace clusterdns::app {

// One source with the tables made from it.
struct ClusterData {
  SourceKey key;
  std::shared_ptr<ClusterSource> source;
  // The names in `store`, of the source, as these options want them.
  struct Table {
    bool imports = false;  // of the imported services
    zones::FeedOptions shown;
    zones::TableOptions options;
    std::shared_ptr<zones::RecordTable> table;
    std::shared_ptr<zones::TableFeed> feed;
  };
  std::list<Table> tables;
  struct Hosts {
    std::string key;  // of the options
    std::shared_ptr<zones::HostTable> table;
    std::shared_ptr<zones::HostFeed> feed;
  };
  std::list<Hosts> hosts;            // of `gateways`
  std::filesystem::path snapshot{};  // the API's; empty: none
  Position at{};                     // of the directive that named it
};

// What happens when an upstream turns out to be this server itself.
enum class LoopAction : std::uint8_t {
  Watch,  // without `loop`: that upstream is not asked any more
  Probe,  // `loop`: the same, and it is looked for at the start
  Fatal,  // `loop fatal`: the program ends, as CoreDNS does
};

// A server block, as far as it is the same one after a reload.
struct BlockId {
  std::string server;  // BlockSetup::server
  std::vector<std::string> zones;
  friend bool operator==(const BlockId&, const BlockId&) = default;
};

// What a reload takes over of a block that does not change it: with the stage go what is known of
// upstreams and the connections to them.
struct ForwardOfBlock {
  BlockId block;
  Directive directive;
  LoopAction loop;
  std::shared_ptr<dns::ForwardStage> stage;
};
// A cache goes with the stages that it keeps answers of.
struct CacheOfBlock {
  BlockId block;
  Directive directive;
  std::shared_ptr<dns::AnswerCache> cache;
  std::shared_ptr<dns::CacheStage> stage;
};

struct TlsOfBlock {
  BlockId block;
  Directive directive;
  std::shared_ptr<dns::TlsContexts> contexts;
};

// What `https` of a block says; 0, or without it: the defaults.
struct HttpsOfBlock {
  std::uint32_t connections = 0;
  std::uint32_t streams = 0;
  friend bool operator==(const HttpsOfBlock&, const HttpsOfBlock&) = default;
};

// What one stage of `kubernetes` answers.
struct ServedCluster {
  std::shared_ptr<ClusterSource> source;
  registry::Store* store;  // the source's: its own services, or the imported ones
  std::shared_ptr<const zones::RecordTable> table;
  std::vector<dns::Name> zones;  // reverse zones too
  bool endpoints = true;         // false: none are in the table, whatever the store has
  bool zonal = false;
};

// What the stages of `gateways` answer.
struct ServedGateways {
  std::shared_ptr<ClusterSource> source;
  std::shared_ptr<const zones::HostTable> table;
  zones::HostFeedOptions options;
  std::vector<dns::Name> cluster_zones;  // reverse zones too
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

// The zones that one listener serves.
class ListenerZones {
 public:
  // The block that serves exactly this zone, from now on or already.
  const ServerBlock* claim(const dns::Name& zone, const ServerBlock& block) {
    const std::size_t i = zones_.add(zone);
    if (i == blocks_.size()) blocks_.push_back(&block);
    return blocks_[i];
  }
  // The block that a query for `name` meets; nullptr: none.
  [[nodiscard]] const ServerBlock* block_of(dns::NameView name) const noexcept {
    const std::size_t i = zones_.find(name);
    return i == dns::ZoneSet::kNone ? nullptr : blocks_[i];
  }

 private:
  dns::ZoneSet zones_;
  std::vector<const ServerBlock*> blocks_;  // in the order of `zones_`
};

struct TargetParts;  // app/directives/target.h

// What the directives of all server blocks share while a configuration is built.
struct Environment {
  dns::ReclaimDomain& reclaim;
  unsigned workers;
  std::shared_ptr<spdlog::logger> logger;
  // Every address that will be listened on, of all blocks; port 0 is not known yet.
  std::vector<dns::ListenAddress> listens;
  // Blocks that read the same share one.
  std::list<ClusterData> clusters;
  // The source of `kubernetes` directives that name none: a registry that was handed in by an
  // embedding program; nullptr otherwise.
  std::shared_ptr<ClusterSource> handed_in;
  // True when only checking: nothing is connected or watched, and nothing is asked of a cluster.
  bool check_only = false;
  // That of the configuration that this one will replace; nullptr at the start. What is the same
  // goes on: sources, tables, caches, what is known of upstreams.
  const Environment* previous = nullptr;
  // What `health`, `ready`, `prometheus`, `console` and `reload` of all blocks ask for.
  AdminPlan admin = {};
  // Where queries are counted; nullptr: nowhere.
  std::shared_ptr<Metrics> metrics = {};
  // Filled while the configuration is built; see Metrics::replace.
  std::vector<Metrics::Plugin> plugins = {};
  std::vector<Metrics::Collector> collectors = {};
  // See InstanceOptions::observer.
  std::shared_ptr<dns::AnswerObserver> observer = {};
  std::vector<CacheOfBlock> caches = {};
  std::vector<ForwardOfBlock> forwards = {};
  // Started once this configuration is served, stopped when another one has taken over.
  std::vector<std::shared_ptr<Companion>> companions = {};
  // Ends the program with this message; any thread. Empty where nothing may end it: in a program
  // that embeds the server.
  std::function<void(const std::string&)> fatal = {};
  // The logger's: whether a query's line has members.
  LogFormat log_format = LogFormat::Text;
  // What is wrong with the configuration, and what is odd. Whoever builds it says it: the server in
  // its log, `check` on the terminal.
  Problems problems = {};
  // What would be taken with a warning is refused.
  bool strict = false;
  // With check_only: the configuration is for another machine. Files, interfaces and addresses that
  // it names are none of this one's.
  bool elsewhere = false;
  // What is found in manifests is not a problem of the configuration: whoever builds it looks at
  // ClusterSource::findings().
  bool findings_stay = false;
  // Some block has `gateways`: the sources watch what it wants to know.
  bool wants_gateways = false;
  // With check_only: what reads the Kubernetes API is made so that it can be asked, once, by
  // whoever builds the configuration. Snapshots are left alone.
  bool ask_apis = false;
  // Of this machine, as they are when the configuration is built.
  std::vector<dns::InterfaceAddress> interfaces = dns::interface_addresses();
  // What `kubernetes` directives answer from, in their order: for `services`.
  std::vector<ServedCluster> served = {};
  // The same of `gateways` directives: for `hosts` and `explain`.
  std::vector<ServedGateways> gateways = {};
  // What `fault` and `evidence` are; nullptr: neither is there.
  std::shared_ptr<TargetParts> target = {};
  // Of each of `listens`: which server block a zone is of there.
  std::vector<ListenerZones> zones_at = {};
  std::vector<TlsOfBlock> tls = {};
};

// One server block while it is built.
struct BlockSetup {
  const ServerBlock& block;
  Environment& environment;
  dns::Route& route;
  bool rotate = true;                                    // round robin, see `loadbalance`
  bool count = false;                                    // see `prometheus`
  std::vector<boost::asio::ip::address> addresses = {};  // see bound_addresses()
  std::string server = {};  // the label of series that stages count for themselves: "dns://:53"
  LoopAction loop = LoopAction::Watch;  // see `loop`
  // Of the first `kubernetes`; `search` comes after it.
  std::optional<dns::Name> cluster_zone = {};
  // The place of stages that come right behind `search`.
  std::size_t behind_search = 0;
  // `kubernetes` makes its source, adds it to Environment::served, and no stage.
  bool only_source = false;
  // Zones of `synthetic` and `fault`: which of them has it, and where that stands.
  std::map<std::string, std::pair<std::string, Position>> target_zones = {};
  // The folder that relative paths of files are in, see `root`; empty: the working directory.
  std::filesystem::path root = {};
  // The condition of `view`, once it is set up.
  std::shared_ptr<const dns::ViewCondition> view = {};
  // How many `template`s have been set up, and octets for each expression of theirs.
  std::size_t templates = 0;
  std::int64_t template_memory = 0;
  // The rules of `acl`, once one of the directives concerned is set up.
  std::shared_ptr<dns::AclRules> acl = {};
  // Octets for each expression of `rewrite`.
  std::int64_t rewrite_memory = 0;
  // What is left to do when all directives of the block are set up.
  std::vector<std::function<void()>> finish = {};
  // What its tls:// and https:// zones are served with, see `tls`; nullptr: there are none, or it
  // is not known.
  std::shared_ptr<dns::TlsContexts> tls = {};
  std::optional<HttpsOfBlock> https = {};  // see `https`

  [[nodiscard]] BlockId id() const {
    BlockId id{server, {}};
    for (const ZoneKey& key : block.keys) id.zones.push_back(key.zone);
    return id;
  }
};

struct DirectiveSpec {
  std::string_view name;
  std::string_view usage;    // one line of grammar
  std::string_view summary;  // one line of help
  // Checks the directive and adds what it stands for. Errors go to Environment::problems, or are
  // thrown as ConfigError, which ends this directive only. nullptr: handled before the block is
  // built
  // (`bind`, `workers`), or known to CoreDNS but not supported yet.
  void (*set_up)(const Directive&, BlockSetup&) = nullptr;
  bool built = true;
  bool repeatable = false;
  // What may stand in its block; nullptr: nothing, or lines of another form.
  std::span<const Option> (*options)() = nullptr;
  // Of one that is taken though nothing here does what it says: what happens instead. Of one that
  // is refused: what to do.
  std::string_view note = {};
  // Taken, with one warning; `--strict` refuses it.
  bool taken_only = false;
};

// In the order in which stages see a query; the order in the file does not matter (as CoreDNS's
// plugin.cfg).
[[nodiscard]] std::span<const DirectiveSpec> directives();
// nullptr: no such directive.
[[nodiscard]] const DirectiveSpec* find_directive(std::string_view name);
// Of plugins that are no part of CoreDNS and that people build into it: what to write instead.
// Empty: not known.
[[nodiscard]] std::string_view instead_of_external(std::string_view name);

[[nodiscard]] std::span<const Option> health_options();
[[nodiscard]] std::span<const Option> ready_options();
[[nodiscard]] std::span<const Option> errors_options();
[[nodiscard]] std::span<const Option> prometheus_options();
[[nodiscard]] std::span<const Option> console_options();
[[nodiscard]] std::span<const Option> log_options();
[[nodiscard]] std::span<const Option> loadbalance_options();
[[nodiscard]] std::span<const Option> hosts_options();
[[nodiscard]] std::span<const Option> gateways_options();
[[nodiscard]] std::span<const Option> kubernetes_options();
// Those of them that say where objects come from.
[[nodiscard]] std::span<const Option> kubernetes_source_options();
[[nodiscard]] std::span<const Option> search_options();
[[nodiscard]] std::span<const Option> tls_options();
[[nodiscard]] std::span<const Option> https_options();
[[nodiscard]] std::span<const Option> timeouts_options();
[[nodiscard]] std::span<const Option> local_options();
[[nodiscard]] std::span<const Option> dns64_options();
[[nodiscard]] std::span<const Option> acl_options();
[[nodiscard]] std::span<const Option> header_options();
[[nodiscard]] std::span<const Option> template_options();
[[nodiscard]] std::span<const Option> k8s_external_options();
[[nodiscard]] std::span<const Option> view_options();
[[nodiscard]] std::span<const Option> erratic_options();
[[nodiscard]] std::span<const Option> cache_options();
[[nodiscard]] std::span<const Option> forward_options();
[[nodiscard]] std::span<const Option> proxy_options();
[[nodiscard]] std::span<const Option> synthetic_options();
[[nodiscard]] std::span<const Option> fault_options();
[[nodiscard]] std::span<const Option> evidence_options();

void set_up_reload(const Directive&, BlockSetup&);
void set_up_ready(const Directive&, BlockSetup&);
void set_up_health(const Directive&, BlockSetup&);
void set_up_prometheus(const Directive&, BlockSetup&);
void set_up_console(const Directive&, BlockSetup&);
void set_up_errors(const Directive&, BlockSetup&);
void set_up_log(const Directive&, BlockSetup&);
void set_up_loadbalance(const Directive&, BlockSetup&);
void set_up_kubernetes(const Directive&, BlockSetup&);
void set_up_gateways(const Directive&, BlockSetup&);
void set_up_evidence(const Directive&, BlockSetup&);
void set_up_fault(const Directive&, BlockSetup&);
void set_up_synthetic(const Directive&, BlockSetup&);
void set_up_hosts(const Directive&, BlockSetup&);
void set_up_cache(const Directive&, BlockSetup&);
void set_up_loop(const Directive&, BlockSetup&);
void set_up_proxy(const Directive&, BlockSetup&);
void set_up_search(const Directive&, BlockSetup&);
void set_up_root(const Directive&, BlockSetup&);
void set_up_metadata(const Directive&, BlockSetup&);
void set_up_cancel(const Directive&, BlockSetup&);
void set_up_tls(const Directive&, BlockSetup&);
void set_up_https(const Directive&, BlockSetup&);
void set_up_timeouts(const Directive&, BlockSetup&);
void set_up_nsid(const Directive&, BlockSetup&);
void set_up_bufsize(const Directive&, BlockSetup&);
void set_up_debug(const Directive&, BlockSetup&);
void set_up_local(const Directive&, BlockSetup&);
void set_up_dns64(const Directive&, BlockSetup&);
void set_up_any(const Directive&, BlockSetup&);
void set_up_chaos(const Directive&, BlockSetup&);
void set_up_header(const Directive&, BlockSetup&);
void set_up_minimal(const Directive&, BlockSetup&);
void set_up_template(const Directive&, BlockSetup&);
void set_up_autopath(const Directive&, BlockSetup&);
void set_up_k8s_external(const Directive&, BlockSetup&);
void set_up_view(const Directive&, BlockSetup&);
void set_up_erratic(const Directive&, BlockSetup&);
void set_up_acl(const Directive&, BlockSetup&);
void set_up_rewrite(const Directive&, BlockSetup&);
void set_up_forward(const Directive&, BlockSetup&);
void set_up_whoami(const Directive&, BlockSetup&);

// Before any block is built: what `evidence` of some block has to do with all of them.
void prepare_target(const Corefile& corefile, Environment& environment);
// Adds that to a block whose directives have been set up.
void join_target(BlockSetup& setup);

// The addresses a block listens on without ports: those of its `bind`, or all of the machine. What
// is wrong with them is among the environment's problems then.
[[nodiscard]] std::vector<boost::asio::ip::address> bound_addresses(const ServerBlock& block,
                                                                    Environment& environment);
// `workers N` of any block; 0: not given. Two different ones are an error.
[[nodiscard]] unsigned worker_count(const Corefile& corefile, Problems& problems);

// Whether `forward` takes `to` for a file in the form of resolv.conf: a path, or the name of a file
// in this folder that is not an address.
[[nodiscard]] bool is_upstream_file(const std::string& to);

// Of `clients CIDR…` and the like. Throws ConfigError at what is not a range.
[[nodiscard]] dns::AddressRanges address_ranges(std::span<const Token> words);

// Zone text as wire form. Throws ConfigError at `at` when it is not a name.
[[nodiscard]] dns::Name zone_name(const std::string& text, const Position& at);

}  // namespace clusterdns::app
