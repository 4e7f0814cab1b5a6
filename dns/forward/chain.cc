#include "dns/forward/chain.h"

#include <algorithm>

#include "dns/cache/cache_stage.h"
#include "dns/forward/relay.h"
#include "dns/query/encoder.h"
#include "dns/server/reclaim.h"

namespace clusterdns::dns {
namespace {

constexpr ExtendedErrorNote kLoop{true, ExtendedError::Other, "the CNAME chain loops"};
constexpr ExtendedErrorNote kTooLong{true, ExtendedError::Other, "the CNAME chain is too long"};
constexpr ExtendedErrorNote kMalformed{true, ExtendedError::InvalidData,
                                       "the upstream's answer is malformed"};

Name lowered(const Name& name) noexcept {
  Name lower = name;
  lower.make_lower();
  return lower;
}

// Goes from name to name until one answers. Lives as long as the upstream callback that holds it.
class ChainFollower : public std::enable_shared_from_this<ChainFollower> {
 public:
  ChainFollower(std::unique_ptr<DeferredQuery> query, std::vector<ChainLink> chain, Name target,
                bool authoritative)
      : query_(std::move(query)),
        chain_(std::move(chain)),
        target_(lowered(target)),
        authoritative_(authoritative) {}

  void run() {
    const TableGuard guard(*query_->worker);
    for (;;) {
      if (chain_.size() > Answer::kMaxChain) return end_early(kTooLong);
      if (loops()) return end_early(kLoop);
      start_answer();
      LocalData* holder = nullptr;
      const auto outcome = look_up_local(*query_->route, target_.view(), query_->query.qtype,
                                         static_cast<std::uint8_t>(chain_.size()), answer_,
                                         *query_->worker, &holder);
      switch (outcome.found) {
        case LocalData::Found::NotMine:
          return ask();
        case LocalData::Found::Data:
          return query_->finish(answer_);
        case LocalData::Found::NXDomain:
          answer_.rcode = Rcode::NXDomain;
          [[fallthrough]];
        case LocalData::Found::NoData:
          holder->add_soa(target_.view(), static_cast<std::uint8_t>(chain_.size()), answer_);
          return query_->finish(answer_);
        case LocalData::Found::NotReady:
          return fail({true, ExtendedError::NotReady, "this zone has no data yet"});
        case LocalData::Found::Alias: {
          const Name next(outcome.alias);
          chain_.push_back({target_, next, outcome.ttl});
          if (query_->query.qtype == RRType::CNAME || query_->query.qtype == RRType::ANY) {
            start_answer();
            return query_->finish(answer_);
          }
          target_ = lowered(next);
          break;
        }
      }
    }
  }

 private:
  // The last link closes a circle when its target is an owner before it.
  [[nodiscard]] bool loops() const noexcept {
    return std::any_of(chain_.begin(), chain_.end(), [&](const ChainLink& link) {
      return equal_ignoring_case(link.owner.view(), target_.view());
    });
  }

  // An answer that holds the chain so far; what it leads to is names[chain_.size()].
  void start_answer() noexcept {
    const Query& query = query_->query;
    answer_.reset(query.lower.data(), query.qname_size);
    answer_.recursion_available = query_->recursion_available;
    answer_.authoritative = authoritative_;
    const std::size_t links = std::min(chain_.size(), Answer::kMaxChain);
    for (std::size_t i = 0; i < links; ++i) {
      const Name& target = chain_[i].target;
      const std::uint8_t index =
          answer_.add_name(target.data(), static_cast<std::uint8_t>(target.size()));
      RRsetRef& link = answer_.answer[answer_.answer_count++];
      link = {};
      link.write = &write_cname;
      link.first = index;
      link.count = 1;
      link.ttl = chain_[i].ttl;
      link.type = RRType::CNAME;
      link.owner = static_cast<std::uint8_t>(index - 1);
    }
  }

  void end_early(const ExtendedErrorNote& note) noexcept {
    start_answer();
    answer_.error = note;
    query_->finish(answer_);
  }

  void fail(const ExtendedErrorNote& note) noexcept { end_early_with(Rcode::ServFail, note); }
  void end_early_with(Rcode rcode, const ExtendedErrorNote& note) noexcept {
    start_answer();
    answer_.rcode = rcode;
    answer_.error = note;
    query_->finish(answer_);
  }

  void ask() {
    Upstream* const upstream = find_upstream(*query_->route, target_.view(), query_->client);
    if (upstream == nullptr) {
      start_answer();
      return query_->finish(answer_);
    }
    const auto request = make_request(query_->query, target_.view());
    ask_through_cache(
        *query_->route, *upstream, *query_->worker, request,
        [self = shared_from_this()](const Upstream::Reply& reply) { self->on_reply(reply); });
  }

  void on_reply(const Upstream::Reply& reply) {
    if (!reply.ok) return fail(reply.error);
    auto message = read_message(reply.message);
    if (!message || !message->has_question) return fail(kMalformed);
    std::vector<ChainLink> further;
    Name last;
    if (!read_aliases(*message, target_, query_->query.qtype, further, &last) && !further.empty() &&
        is_local_name(*query_->route, last, *query_->worker)) {
      chain_.insert(chain_.end(), further.begin(), further.end());
      target_ = lowered(last);
      return run();
    }
    finish_with_reply(*query_, chain_, *message, authoritative_);
  }

  std::unique_ptr<DeferredQuery> query_;
  std::vector<ChainLink> chain_;
  Name target_;  // lower-case
  bool authoritative_;
  Answer answer_;
};

}  // namespace

TableGuard::TableGuard(const WorkerContext& worker) noexcept : index_(worker.index) {
  if (worker.reclaim == nullptr || worker.reclaim->inside(worker.index)) return;
  entered_ = worker.reclaim;
  entered_->enter(index_);
}

TableGuard::~TableGuard() {
  if (entered_ != nullptr) entered_->leave(index_);
}

LocalData::Outcome look_up_local(const Route& route, NameView name, RRType type, std::uint8_t owner,
                                 Answer& answer, const WorkerContext& worker,
                                 LocalData** found_in) noexcept {
  for (const auto& stage : route.stages) {
    LocalData* const data = stage->local_data();
    if (data == nullptr) continue;
    const auto outcome = data->look_up(name, type, owner, answer, worker);
    if (outcome.found == LocalData::Found::NotMine) continue;
    *found_in = data;
    return outcome;
  }
  return {};
}

bool is_local_name(const Route& route, Name name, const WorkerContext& worker) noexcept {
  name.make_lower();
  const TableGuard guard(worker);
  Answer unused;
  unused.reset(name.data(), static_cast<std::uint8_t>(name.size()));
  LocalData* holder = nullptr;
  // A type that no name has: the answer is only where the name is, and no RRset turns.
  return look_up_local(route, name.view(), RRType::OPT, 0, unused, worker, &holder).found !=
         LocalData::Found::NotMine;
}

void follow_chain(std::unique_ptr<DeferredQuery> query, std::vector<ChainLink> chain, Name target,
                  bool authoritative) noexcept {
  std::make_shared<ChainFollower>(std::move(query), std::move(chain), target, authoritative)->run();
}

bool read_aliases(const Message& message, const Name& from, RRType type,
                  std::vector<ChainLink>& chain, Name* last) {
  *last = from;
  if (type == RRType::CNAME || type == RRType::ANY) return true;
  // Each record is used once at most, so that a loop in the answer ends.
  for (std::size_t step = 0; step <= message.answer.size(); ++step) {
    const Record* alias = nullptr;
    for (const Record& record : message.answer) {
      if (!equal_ignoring_case(record.owner.view(), last->view())) continue;
      if (record.type == type) return true;
      if (record.type == RRType::CNAME) alias = &record;
    }
    if (alias == nullptr) return false;
    std::size_t end = 0;
    const auto target = Name::from_message(alias->rdata, 0, &end);
    if (!target || end != alias->rdata.size()) return false;
    chain.push_back({*last, *target, alias->ttl});
    *last = *target;
  }
  return false;
}

std::vector<std::uint8_t> make_request(const Query& query, NameView name) {
  std::vector<std::uint8_t> request(kHeaderSize);
  store_u16(request.data() + 2, kFlagRD | (query.flags & kFlagCD));
  store_u16(request.data() + 4, 1);
  request.insert(request.end(), name.begin(), name.end());
  request.resize(request.size() + 4);
  store_u16(request.data() + request.size() - 4, static_cast<std::uint16_t>(query.qtype));
  store_u16(request.data() + request.size() - 2, static_cast<std::uint16_t>(query.qclass));
  if (query.has_edns) {
    store_u16(request.data() + 10, 1);
    request.insert(request.end(), query.packet + query.opt_offset, query.packet + query.opt_end);
  }
  return request;
}

void finish_with_reply(DeferredQuery& query, std::span<const ChainLink> chain, const Message& reply,
                       bool authoritative) noexcept {
  const Query& asked = query.query;
  Message message;
  message.id = asked.id;
  message.flags = static_cast<std::uint16_t>(kFlagQR | (asked.flags & (kFlagRD | kFlagCD)) |
                                             (reply.flags & kFlagTC));
  if (authoritative) message.flags |= kFlagAA;
  if (query.recursion_available) message.flags |= kFlagRA;
  message.rcode = reply.rcode;
  message.has_question = true;
  message.qname = Name(asked.name_as_asked());
  message.qtype = asked.qtype;
  message.qclass = asked.qclass;
  for (std::size_t i = 0; i < chain.size(); ++i) {
    Record link;
    // The question as it was asked, so that the owner is a pointer to it.
    link.owner = i == 0 ? message.qname : chain[i].owner;
    link.type = RRType::CNAME;
    link.rrclass = RRClass::IN;
    link.ttl = chain[i].ttl;
    const NameView target = chain[i].target.view();
    link.rdata.assign(target.begin(), target.end());
    message.answer.push_back(std::move(link));
  }
  message.answer.insert(message.answer.end(), reply.answer.begin(), reply.answer.end());
  // What makes the answer negative and cachable (RFC 2308), and its proof; NS records are of no use
  // to a stub.
  for (const Record& record : reply.authority) {
    if (record.type != RRType::NS) message.authority.push_back(record);
  }
  if (asked.has_edns) {
    message.has_opt = true;
    message.opt_udp_size = query.route->udp_size;
    message.opt_ttl = asked.dnssec_ok ? 0x8000 : 0;
  }
  query.finish_raw(write_message(message, query.limit));
}

}  // namespace clusterdns::dns
