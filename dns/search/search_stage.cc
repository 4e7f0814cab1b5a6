#include "dns/search/search_stage.h"

#include <algorithm>
#include <string>

#include "dns/resolve/resolution.h"

namespace clusterdns::dns {
namespace {

using dns::Answer;
using dns::Exchange;
using dns::LocalData;
using dns::LocalResult;
using dns::Name;
using dns::Resolved;
using dns::RRType;
using dns::Verdict;

constexpr std::uint8_t kInAddrArpa[] = "\7in-addr\4arpa";
constexpr std::uint8_t kIp6Arpa[] = "\3ip6\4arpa";

// What is known about one candidate.
enum class Tried : std::uint8_t {
  Missing,  // no such name, or nobody knows
  NoData,   // the name exists without the type; the answer says so
  Found,    // the answer is complete
  Outside,  // not in memory, or an alias that leads out of it
};

// Starts an answer that says where the asked name was found; its TTL comes with what is there.
std::uint8_t begin_answer(const Name& candidate, Exchange& exchange) noexcept {
  exchange.start_answer();
  Answer& answer = exchange.answer;
  answer.authoritative = true;
  const std::uint8_t first =
      answer.add_name(candidate.data(), static_cast<std::uint8_t>(candidate.size()));
  dns::add_alias(answer, 0, first, 0);
  return first;
}

// There is nothing to say but SERVFAIL.
void forget_aliases(Answer& answer) noexcept {
  answer.authoritative = false;
  answer.answer_count = 0;
}

// Looks `candidate` up in memory and makes the whole answer to the asked name of it. `*last`
// becomes the index of the name that the aliases lead to. REQUIRES: the worker is inside a batch
// until the answer is encoded; `candidate` lives as long.
Tried try_local(Exchange& exchange, const Name& candidate, std::uint8_t* last) noexcept {
  const std::uint8_t first = *last = begin_answer(candidate, exchange);
  Answer& answer = exchange.answer;
  const RRType type = exchange.query.qtype;
  const LocalResult result =
      dns::resolve_local(*exchange.route, *exchange.worker, candidate.view(), type, answer, last);
  (void)dns::bound_alias(answer);
  const bool is_first = *last == first;
  if (type == RRType::CNAME && is_first &&
      (result == LocalResult::Data || result == LocalResult::NoData)) {
    // The CNAME that was asked for is the one we make, if there is something to point to.
    answer.answer_count = 1;
    answer.authority_count = answer.additional_count = 0;
    return Tried::Found;
  }
  switch (result) {
    case LocalResult::Outside: return Tried::Outside;
    case LocalResult::NoData: return is_first ? Tried::NoData : Tried::Found;
    // The candidate exists where it is an alias that leads nowhere (RFC 6604).
    case LocalResult::NXDomain:
    case LocalResult::Failed: return is_first ? Tried::Missing : Tried::Found;
    case LocalResult::NotReady: forget_aliases(answer); break;
    case LocalResult::Data:
    case LocalResult::Endless: break;
  }
  return Tried::Found;
}

}  // namespace

// The rest of a search that has to ask an upstream.
class SearchStage::Walk final : public dns::Resolution {
 public:
  Walk(const SearchStage& stage, std::unique_ptr<Exchange> query, std::size_t index)
      : Resolution(std::move(query)), stage_(stage), index_(index) {
    searching_ = true;
  }

  // Tries the candidates from `index_` on.
  void walk() {
    const auto& suffixes = stage_.options_.suffixes;
    for (; index_ < suffixes.size(); ++index_) {
      const auto candidate = Name(query().query.name()).append(suffixes[index_].view());
      if (!candidate) continue;
      // The answer may come at once: no candidate is tried from inside another.
      state_ = State::Trying;
      resolve({{*candidate, 0}}, /*authoritative=*/true);
      if (state_ == State::Ended) return;
      if (state_ == State::Trying) {
        state_ = State::Waiting;
        return;
      }
    }
    end();
  }

 private:
  enum class State : std::uint8_t { Trying, Waiting, Tried, Ended };

  void done(Resolved resolved, bool aliases, std::string_view cause) override {
    const bool later = state_ == State::Waiting;
    state_ = take(resolved, aliases, cause) ? State::Ended : State::Tried;
    if (!later || state_ == State::Ended) return;
    ++index_;
    walk();
  }

  // True when that ends the search.
  bool take(Resolved resolved, bool aliases, std::string_view cause) {
    Answer& answer = query().answer;
    const bool is_first = !aliases;
    switch (resolved) {
      case Resolved::Data: break;
      case Resolved::NoData:
        if (!is_first || query().query.qtype == RRType::CNAME) break;
        // A name that exists decides when none has the data; nobody waits for an upstream then.
        if (no_data_ == nullptr) {
          query().take_apart();
          no_data_ = std::make_unique<Answer>(std::move(answer));
        }
        may_ask_ = false;
        return false;
      case Resolved::NXDomain:
      case Resolved::Unknown:
        if (!is_first) break;
        return false;
      case Resolved::NotReady: forget_aliases(answer); break;
      case Resolved::Failed:
        if (!is_first) break;
        return false;
      case Resolved::Silent:
        if (!is_first) break;
        // The next name would wait as long.
        may_ask_ = false;
        silent_ = true;
        failure_rcode_ = answer.rcode;
        failure_ = answer.error;
        failure_text_ = failure_.text;
        cause_ = cause;
        return false;
    }
    if (query().query.qtype == RRType::CNAME && is_first &&
        (resolved == Resolved::Data || resolved == Resolved::NoData)) {
      // The CNAME that was asked for is the one we make.
      const bool authoritative = answer.authoritative;
      (void)begin_answer(first_link().target, query());
      answer.authoritative = authoritative;
      answer.answer[0].ttl = first_link().ttl;
    }
    dns::finish(take_query(), cause);
    return true;
  }

  // No candidate was it: NODATA of the first that exists, else the name as it is.
  void end() {
    state_ = State::Ended;
    if (no_data_ != nullptr) {
      query().answer = std::move(*no_data_);
      return dns::finish(take_query());
    }
    if (!silent_) return dns::go_on(take_query());
    failure_.text = failure_text_.c_str();
    query().fail(failure_rcode_, failure_);
    dns::finish(take_query(), cause_);
  }

  const SearchStage& stage_;  // the query's route holds it
  std::size_t index_;
  State state_ = State::Trying;
  std::unique_ptr<Answer> no_data_;
  bool silent_ = false;
  dns::Rcode failure_rcode_{};
  dns::ExtendedErrorNote failure_;
  std::string failure_text_, cause_;
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

bool SearchStage::applies(const Exchange& exchange) const noexcept {
  const dns::Query& query = exchange.query;
  if (query.qclass != dns::RRClass::IN || query.label_count == 0) return false;
  if (query.label_count - 1u >= options_.ndots) return false;
  switch (query.qtype) {
    // Questions about zones, whose names are written out.
    case RRType::NS:
    case RRType::SOA:
    case RRType::DS:
    case RRType::DNSKEY: return false;
    default: break;
  }
  if (dns::is_meta_type(query.qtype)) return false;
  if (dns::has_suffix_ignoring_case(query.name(), {kInAddrArpa, sizeof kInAddrArpa}) ||
      dns::has_suffix_ignoring_case(query.name(), {kIp6Arpa, sizeof kIp6Arpa})) {
    return false;
  }
  return options_.clients.contains(exchange.client);
}

Verdict SearchStage::handle(Exchange& exchange) noexcept {
  // A name of a local zone that fell through to here is for the stages behind this one. What these
  // have in memory is no reason not to try: the wildcards of `gateways`.
  if (!applies(exchange) || exchange.worker->index >= scratch_.size() ||
      dns::is_local_name(*exchange.route, exchange.query.name(), *exchange.worker,
                         exchange.stage)) {
    return Verdict::Next;
  }
  Name& candidate = scratch_[exchange.worker->index].candidate;
  const Name asked(exchange.query.name());
  const std::size_t count = options_.suffixes.size();
  std::size_t no_data_at = count;
  std::uint8_t last = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto made = asked.append(options_.suffixes[i].view());
    if (!made) continue;
    candidate = *made;
    switch (try_local(exchange, candidate, &last)) {
      case Tried::Found: return Verdict::Answered;
      case Tried::Outside:
        // A candidate that is an alias exists.
        if (last != 1) {
          // The whole block may be asked, this stage as well: `candidate` is another name then.
          const std::uint8_t* const kept = exchange.answer.keep(candidate.view());
          if (kept == nullptr) return Verdict::Answered;  // overfull: SERVFAIL
          exchange.answer.names[1].wire = kept;
          return dns::finish_outside(exchange, last);
        }
        // A name of ours that exists decides; no upstream is waited for then.
        if (no_data_at == count &&
            dns::find_upstream(*exchange.route, candidate.view(), exchange.client) != nullptr) {
          std::make_shared<Walk>(*this, exchange.defer(), i)->walk();
          return Verdict::Deferred;
        }
        break;
      case Tried::NoData: no_data_at = std::min(no_data_at, i); break;
      case Tried::Missing: break;
    }
  }
  if (no_data_at != count) {
    candidate = *asked.append(options_.suffixes[no_data_at].view());
    switch (try_local(exchange, candidate, &last)) {
      case Tried::Found:
      case Tried::NoData: return Verdict::Answered;
      case Tried::Missing:
      case Tried::Outside: break;  // it went meanwhile
    }
  }
  // Nobody here knows more of the name than those behind.
  exchange.start_answer();
  return Verdict::Next;
}

}  // namespace clusterdns::dns
