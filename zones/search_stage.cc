#include "zones/search_stage.h"

#include <algorithm>
#include <string>

#include "dns/cache/cache_stage.h"
#include "dns/forward/chain.h"
#include "dns/forward/relay.h"
#include "dns/query/encoder.h"

namespace clusterdns::zones {
namespace {

using dns::Answer;
using dns::DeferredQuery;
using dns::LocalData;
using dns::Name;
using dns::NameView;
using dns::Rcode;
using dns::RRType;
using dns::Verdict;

constexpr std::uint8_t kInAddrArpa[] = "\7in-addr\4arpa";
constexpr std::uint8_t kIp6Arpa[] = "\3ip6\4arpa";

// What local data says about one candidate.
enum class Tried : std::uint8_t {
  NotMine,  // not in our zones
  Missing,  // no such name
  NoData,   // the name exists without the type; the answer is as it was
  Found,    // the answer is complete
  Outside,  // an alias leads out of our zones: the answer holds the chain, its last name the target
  NotReady,  // no data yet; the answer says SERVFAIL
};

void add_link(Answer& answer, std::uint8_t owner, std::uint8_t target, std::uint32_t ttl) noexcept {
  dns::RRsetRef& link = answer.answer[answer.answer_count++];
  link = {};
  link.write = &dns::write_cname;
  link.first = target;
  link.count = 1;
  link.ttl = ttl;
  link.type = RRType::CNAME;
  link.owner = owner;
}

void forget_all(Answer& answer) noexcept {
  answer.rcode = Rcode::NoError;
  answer.authoritative = answer.truncated = false;
  answer.error.set = false;
  answer.name_count = 1;
  answer.answer_count = answer.authority_count = answer.additional_count = 0;
}

// Looks `candidate` up and makes the whole answer to the asked name of it. `accept_no_data`: an
// existing name without the type is an answer too.
// REQUIRES: the worker is inside a batch, or a TableGuard is held, until the answer is encoded;
// `candidate` lives as long.
Tried try_local(const dns::Route& route, const dns::WorkerContext& worker, const Name& candidate,
                RRType type, bool accept_no_data, Answer& answer) noexcept {
  forget_all(answer);
  const std::uint8_t first =
      answer.add_name(candidate.data(), static_cast<std::uint8_t>(candidate.size()));
  add_link(answer, 0, first, 0);
  answer.authoritative = true;

  NameView name = candidate.view();
  std::uint8_t index = first;
  for (;;) {
    LocalData* holder = nullptr;
    const auto outcome = dns::look_up_local(route, name, type, index, answer, worker, &holder);
    const bool is_first = index == first;
    if (is_first && type == RRType::CNAME) {
      // The CNAME that was asked for is the one we make, if there is something to point to.
      const bool exists = outcome.found == LocalData::Found::Data ||
                          outcome.found == LocalData::Found::Alias ||
                          outcome.found == LocalData::Found::NoData;
      if (exists) {
        answer.answer[0].ttl = outcome.found == LocalData::Found::Data && answer.answer_count > 1
                                   ? answer.answer[1].ttl
                                   : outcome.ttl;
        answer.answer_count = 1;
        answer.additional_count = 0;
        return Tried::Found;
      }
    }
    switch (outcome.found) {
      case LocalData::Found::NotMine:
        if (!is_first) return Tried::Outside;
        forget_all(answer);
        return Tried::NotMine;
      case LocalData::Found::Data:
        if (is_first && answer.answer_count > 1) answer.answer[0].ttl = answer.answer[1].ttl;
        return Tried::Found;
      case LocalData::Found::NXDomain:
        if (is_first) {
          forget_all(answer);
          return Tried::Missing;
        }
        // The candidate exists: it is the alias that leads nowhere (RFC 6604).
        answer.rcode = Rcode::NXDomain;
        holder->add_soa(name, index, answer);
        return Tried::Found;
      case LocalData::Found::NoData:
        if (is_first) {
          if (!accept_no_data) {
            forget_all(answer);
            return Tried::NoData;
          }
          answer.answer[0].ttl = outcome.ttl;
        }
        holder->add_soa(name, index, answer);
        return Tried::Found;
      case LocalData::Found::NotReady:
        forget_all(answer);
        answer.rcode = Rcode::ServFail;
        answer.error = {true, dns::ExtendedError::NotReady, "this zone has no data yet"};
        return Tried::NotReady;
      case LocalData::Found::Alias: {
        if (is_first) answer.answer[0].ttl = outcome.ttl;
        for (std::uint8_t i = 0; i < answer.name_count; ++i) {
          if (dns::equal_ignoring_case({answer.names[i].wire, answer.names[i].size},
                                       outcome.alias)) {
            answer.error = {true, dns::ExtendedError::Other, "the CNAME chain loops"};
            return Tried::Found;
          }
        }
        if (!answer.has_room_for_link() || answer.answer_count >= Answer::kMaxChain) {
          answer.error = {true, dns::ExtendedError::Other, "the CNAME chain is too long"};
          return Tried::Found;
        }
        const std::uint8_t next =
            answer.add_name(outcome.alias.data(), static_cast<std::uint8_t>(outcome.alias.size()));
        add_link(answer, index, next, outcome.ttl);
        if (type == RRType::ANY) return Tried::Found;
        name = outcome.alias;
        index = next;
        break;
      }
    }
  }
}

// The chain that an answer of Tried::Outside holds; the last target is where it goes on.
std::vector<dns::ChainLink> chain_of(const Answer& answer) {
  std::vector<dns::ChainLink> chain;
  const auto name_at = [&](std::size_t i) {
    return Name({answer.names[i].wire, answer.names[i].size});
  };
  for (std::size_t i = 0; i < answer.answer_count; ++i) {
    const dns::RRsetRef& link = answer.answer[i];
    chain.push_back({name_at(link.owner), name_at(link.first), link.ttl});
  }
  return chain;
}

}  // namespace

// The rest of a search that had to ask an upstream. Lives as long as the callback that holds it.
class SearchStage::Walk : public std::enable_shared_from_this<Walk> {
 public:
  Walk(const SearchStage& stage, std::unique_ptr<DeferredQuery> query, std::size_t index)
      : stage_(stage), query_(std::move(query)), index_(index) {}

  // Tries the candidates from `index_` on.
  void run() noexcept {
    const auto& suffixes = stage_.options_.suffixes;
    for (; index_ < suffixes.size(); ++index_) {
      if (!make_candidate(index_)) continue;
      switch (try_here(false)) {
        case Tried::Found:
        case Tried::NotReady:
        case Tried::Outside:
          return;  // answered, or handed on
        case Tried::NoData:
          no_data_at_ = std::min(no_data_at_, index_);
          break;
        case Tried::Missing:
          break;
        case Tried::NotMine:
          if (no_data_at_ == kNone && !upstream_failed_ && ask()) return;
          break;
      }
    }
    end();
  }

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  [[nodiscard]] bool make_candidate(std::size_t index) noexcept {
    const auto made = Name(query_->query.name()).append(stage_.options_.suffixes[index].view());
    if (made) candidate_ = *made;
    return made.has_value();
  }

  void reset_answer() noexcept {
    answer_.reset(query_->query.lower.data(), query_->query.qname_size);
    answer_.recursion_available = query_->recursion_available;
  }

  Tried try_here(bool accept_no_data) noexcept {
    const dns::TableGuard guard(*query_->worker);
    reset_answer();
    const Tried tried = try_local(*query_->route, *query_->worker, candidate_, query_->query.qtype,
                                  accept_no_data, answer_);
    if (tried == Tried::Found || tried == Tried::NotReady) {
      query_->finish(answer_);
    } else if (tried == Tried::Outside) {
      auto chain = chain_of(answer_);
      const Name target = chain.back().target;
      dns::follow_chain(std::move(query_), std::move(chain), target);
    }
    return tried;
  }

  // False when no upstream takes the candidate.
  bool ask() {
    dns::Upstream* const upstream =
        dns::find_upstream(*query_->route, candidate_.view(), query_->client);
    if (upstream == nullptr) return false;
    const auto request = dns::make_request(query_->query, candidate_.view());
    dns::ask_through_cache(*query_->route, *upstream, *query_->worker, request,
                           [self = shared_from_this()](const dns::Upstream::Reply& reply) {
                             if (self->take(reply)) return;
                             ++self->index_;
                             self->run();
                           });
    return true;
  }

  // True when the reply ends the search.
  bool take(const dns::Upstream::Reply& reply) {
    if (!reply.ok) {
      // The next name would wait as long.
      upstream_failed_ = true;
      failure_ = reply.error;
      return false;
    }
    auto message = dns::read_message(reply.message);
    if (!message || message->rcode != static_cast<std::uint16_t>(Rcode::NoError) ||
        message->answer.empty()) {
      return false;
    }
    std::uint32_t ttl = message->answer.front().ttl;
    for (const auto& record : message->answer) ttl = std::min(ttl, record.ttl);
    std::vector<dns::ChainLink> chain{{Name(query_->query.name_as_asked()), candidate_, ttl}};
    if (query_->query.qtype == RRType::CNAME) {
      message->answer.clear();
      message->authority.clear();
      dns::finish_with_reply(*query_, chain, *message, false);
      return true;
    }
    Name last;
    if (dns::read_aliases(*message, candidate_, query_->query.qtype, chain, &last)) {
      dns::finish_with_reply(*query_, {chain.data(), 1}, *message, false);
      return true;
    }
    if (chain.size() == 1 || !dns::is_local_name(*query_->route, last, *query_->worker))
      return false;
    dns::follow_chain(std::move(query_), std::move(chain), last, /*authoritative=*/false);
    return true;
  }

  // No candidate was it: NODATA of the first that exists, else the name as it is.
  void end() {
    if (no_data_at_ != kNone && make_candidate(no_data_at_) && try_here(true) == Tried::Found)
      return;
    if (upstream_failed_) return dns::answer_failure(*query_, failure_);
    if (dns::Upstream* const upstream =
            dns::find_upstream(*query_->route, query_->query.name(), query_->client)) {
      dns::ask_through_cache(*query_->route, *upstream, *query_->worker,
                             {query_->packet.data(), query_->query.size},
                             [self = shared_from_this()](const dns::Upstream::Reply& reply) {
                               dns::relay(*self->query_, reply);
                             });
      return;
    }
    reset_answer();
    answer_.rcode = Rcode::NXDomain;
    query_->finish(answer_);
  }

  const SearchStage& stage_;  // the query's route holds it
  std::unique_ptr<DeferredQuery> query_;
  std::size_t index_;
  std::size_t no_data_at_ = kNone;
  bool upstream_failed_ = false;
  dns::ExtendedErrorNote failure_;
  Name candidate_;
  Answer answer_;
};

std::vector<Name> SearchStage::pod_search_list(std::string_view pod_namespace, const Name& zone) {
  std::vector<Name> list;
  Name lower = zone;
  lower.make_lower();
  for (const std::string& head : {std::string(pod_namespace) + ".svc", std::string("svc")}) {
    auto name = Name::from_text(head);
    if (!name) continue;
    name->make_lower();
    if (const auto suffix = name->append(lower.view())) list.push_back(*suffix);
  }
  list.push_back(lower);
  return list;
}

SearchStage::SearchStage(Options options)
    : options_([&] {
        if (options.suffixes.size() > kMaxSuffixes) options.suffixes.resize(kMaxSuffixes);
        return std::move(options);
      }()) {}

SearchStage::~SearchStage() = default;

void SearchStage::attach(dns::WorkerContext& worker) {
  const std::lock_guard lock(mutex_);
  if (scratch_.size() < worker.worker_count) scratch_.resize(worker.worker_count);
}

bool SearchStage::applies(const dns::QueryContext& ctx) const noexcept {
  const dns::Query& query = ctx.query;
  if (query.qclass != dns::RRClass::IN || query.label_count == 0) return false;
  if (query.label_count - 1u >= options_.ndots) return false;
  switch (query.qtype) {
    // Questions about zones, whose names are written out.
    case RRType::NS:
    case RRType::SOA:
    case RRType::DS:
    case RRType::DNSKEY:
      return false;
    default:
      break;
  }
  // Zone transfers and other types that are no data (RFC 6895 3.1), ANY aside.
  const auto type = static_cast<std::uint16_t>(query.qtype);
  if (query.qtype == RRType::OPT || (type >= 249 && type <= 254)) return false;
  if (dns::has_suffix_ignoring_case(query.name(), {kInAddrArpa, sizeof kInAddrArpa}) ||
      dns::has_suffix_ignoring_case(query.name(), {kIp6Arpa, sizeof kIp6Arpa})) {
    return false;
  }
  return options_.clients.contains(ctx.client);
}

// A name of a local zone that fell through to here is for the stages behind this one.
bool SearchStage::is_local(const dns::QueryContext& ctx) noexcept {
  dns::Answer unused;
  unused.reset(ctx.query.lower.data(), ctx.query.qname_size);
  LocalData* holder = nullptr;
  // A type that no name has, so that nothing is turned by this.
  return dns::look_up_local(*ctx.route, ctx.query.name(), RRType::OPT, 0, unused, *ctx.worker, &holder)
             .found != LocalData::Found::NotMine;
}

Verdict SearchStage::handle(dns::QueryContext& ctx) noexcept {
  if (!applies(ctx) || is_local(ctx) || ctx.worker->index >= scratch_.size()) return Verdict::Next;
  const dns::Route& route = *ctx.route;
  Name& candidate = scratch_[ctx.worker->index].candidate;
  const Name asked(ctx.query.name());
  const std::size_t count = options_.suffixes.size();
  std::size_t no_data_at = count;
  for (std::size_t i = 0; i < count; ++i) {
    const auto made = asked.append(options_.suffixes[i].view());
    if (!made) continue;
    candidate = *made;
    switch (try_local(route, *ctx.worker, candidate, ctx.query.qtype, false, ctx.answer)) {
      case Tried::Found:
      case Tried::NotReady:
        return Verdict::Answered;
      case Tried::Outside: {
        auto chain = chain_of(ctx.answer);
        const Name target = chain.back().target;
        dns::follow_chain(ctx.defer(), std::move(chain), target);
        return Verdict::Deferred;
      }
      case Tried::NoData:
        no_data_at = std::min(no_data_at, i);
        break;
      case Tried::Missing:
        break;
      case Tried::NotMine:
        // A name of ours that exists decides; no upstream is waited for then.
        if (no_data_at == count &&
            dns::find_upstream(route, candidate.view(), ctx.client) != nullptr) {
          std::make_shared<Walk>(*this, ctx.defer(), i)->run();
          return Verdict::Deferred;
        }
        break;
    }
  }
  if (no_data_at != count) {
    if (const auto made = asked.append(options_.suffixes[no_data_at].view())) {
      candidate = *made;
      const Tried tried =
          try_local(route, *ctx.worker, candidate, ctx.query.qtype, true, ctx.answer);
      if (tried == Tried::Found || tried == Tried::NotReady) return Verdict::Answered;
    }
  }
  forget_all(ctx.answer);
  if (dns::find_upstream(route, ctx.query.name(), ctx.client) != nullptr) return Verdict::Next;
  ctx.answer.rcode = Rcode::NXDomain;
  return Verdict::Answered;
}

}  // namespace clusterdns::zones
