#include "zones/file/transfer_stage.h"

#include <algorithm>

#include "dns/query/encoder.h"
#include "dns/wire/record_walker.h"
#include "zones/file/zone_writers.h"
#include "zones/zone_answers.h"

namespace clusterdns::zones {
namespace {

using dns::RRType;
using dns::Verdict;
using Octets = std::span<const std::uint8_t>;

constexpr dns::ExtendedErrorNote kNotAllowed{true, dns::ExtendedError::Prohibited,
                                             "zone transfer is not allowed for this client"};
constexpr dns::ExtendedErrorNote kNotOverUdp{true, dns::ExtendedError::Prohibited,
                                             "zones are transferred over TCP"};
constexpr dns::ExtendedErrorNote kTooMany{true, dns::ExtendedError::Other,
                                          "too many zone transfers are under way"};
constexpr dns::ExtendedErrorNote kNotLoaded{true, dns::ExtendedError::NotReady,
                                            "the zone is not loaded, or has expired"};

Verdict refuse(dns::Exchange& exchange, dns::Rcode rcode, const dns::ExtendedErrorNote& why) {
  exchange.answer.rcode = rcode;
  exchange.answer.error = why;
  return Verdict::Answered;
}

// Where a transfer is: the records of all nodes, the SOA apart.
struct Cursor {
  const ZoneTable* zone = nullptr;
  std::size_t node = 0;
  std::uint32_t rrset = 0;
  ZoneTable::Walked walked;  // of that RRset
  bool begun = false;        // the first SOA is written
  std::size_t written = 0;

  [[nodiscard]] bool at_end() const noexcept { return node == zone->nodes().size(); }
};

// `data`: the cursor, which goes on with what is written. One message's worth of it.
dns::Written write_stretch(const dns::RRsetRef& rrset, dns::Encoder& encoder) noexcept {
  auto& cursor = *const_cast<Cursor*>(static_cast<const Cursor*>(rrset.data));
  const ZoneTable& zone = *cursor.zone;
  if (!cursor.begun) {
    if (!write_zone_record(zone.origin(), RRType::SOA, zone.soa().ttl, zone.first(zone.soa()),
                           encoder)) {
      return dns::Written::None;
    }
    cursor.begun = true;
    ++cursor.written;
  }
  for (; !cursor.at_end(); ++cursor.node, cursor.rrset = 0) {
    const ZoneTable::Node& node = zone.nodes()[cursor.node];
    const auto rrsets = zone.rrsets(node);
    for (; cursor.rrset < rrsets.size(); ++cursor.rrset, cursor.walked = {}) {
      const ZoneTable::RRset& records = rrsets[cursor.rrset];
      if (&records == &zone.soa()) continue;
      // From where the message before ended.
      zone.for_each_from(records, cursor.walked, [&](Octets rdata) {
        const bool fits =
            encoder.size() <= kTransferMessage &&
            write_zone_record(zone.name(node), records.type, records.ttl, rdata, encoder);
        if (fits) ++cursor.written;
        return fits;
      });
      if (cursor.walked.records < records.count) return dns::Written::All;  // of this message
    }
  }
  return dns::Written::All;
}

}  // namespace

// One transfer, from its first message to its last.
class TransferStage::Transfer final : public std::enable_shared_from_this<Transfer> {
 public:
  Transfer(TransferStage& stage, std::shared_ptr<const ZoneTable> zone,
           std::unique_ptr<dns::Exchange> exchange)
      : stage_(stage),
        route_(exchange->route->shared_from_this()),
        zone_(std::move(zone)),
        exchange_(std::move(exchange)),
        worker_(exchange_->worker->index),
        client_(dns::client_key(exchange_->client)) {
    cursor_.zone = zone_.get();
    stage_.under_way_[worker_].push_back(client_);
  }
  ~Transfer() {
    std::vector<dns::ClientKey>& all = stage_.under_way_[worker_];
    all.erase(std::find(all.begin(), all.end(), client_));
  }
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  // One message; the next one follows when the client has read enough.
  void go_on() noexcept {
    exchange_->start_answer();
    exchange_->answer.authoritative = true;
    if (cursor_.begun && cursor_.at_end()) return end();
    dns::RRsetRef stretch;
    stretch.write = &write_stretch;
    stretch.data = &cursor_;
    stretch.type = RRType::SOA;
    stretch.count = 1;
    exchange_->answer.add_answer(stretch);
    exchange_->send_part();
    exchange_->channel().when_room(std::make_unique<WhenRoom>(shared_from_this()));
  }

 private:
  struct WhenRoom final : dns::ReplyChannel::Waiter {
    explicit WhenRoom(std::shared_ptr<Transfer> t) : transfer(std::move(t)) {}
    void has_room() noexcept override { transfer->go_on(); }
    std::shared_ptr<Transfer> transfer;
  };

  void end() noexcept {
    exchange_->answer.add_answer(records_of(*zone_, zone_->apex(), zone_->soa(), 0, false, false));
    if (stage_.options_.sent) {
      stage_.options_.sent({zone_text(), exchange_->client.to_address().to_string(),
                            cursor_.written + 1, zone_->serial(), false});
    }
    finish(std::move(exchange_));
  }
  [[nodiscard]] std::string zone_text() const { return dns::name_to_text(zone_->origin()); }

  TransferStage& stage_;
  const std::shared_ptr<const dns::Route> route_;  // has the stage
  const std::shared_ptr<const ZoneTable> zone_;
  std::unique_ptr<dns::Exchange> exchange_;
  const unsigned worker_;
  const dns::ClientKey client_;
  Cursor cursor_;
};

TransferStage::TransferStage(Options options)
    : options_(std::move(options)), under_way_(options_.workers) {
  // Room for all: noting a transfer cannot fail.
  for (auto& clients : under_way_) clients.reserve(kMaxTransfers);
}

const TransferStage::Rule* TransferStage::find_rule(const dns::Query& query) const noexcept {
  const Rule* best = nullptr;
  std::size_t longest = 0;
  for (const Rule& rule : options_.rules) {
    const std::size_t zone =
        rule.zones.find(query.name(), query.label_offset.data(), query.label_count);
    if (zone == dns::ZoneSet::kNone || rule.zones[zone].size() <= longest) continue;
    longest = rule.zones[zone].size();
    best = &rule;
  }
  return best;
}

Verdict TransferStage::handle(dns::Exchange& exchange) noexcept {
  return is_transfer(exchange.query.qtype) ? transfer(exchange) : Verdict::Next;
}

Verdict TransferStage::transfer(dns::Exchange& exchange) {
  const dns::Query& query = exchange.query;
  const Rule* const rule = find_rule(query);
  if (rule == nullptr) return Verdict::Next;
  if (!rule->to.contains(exchange.client)) {
    return refuse(exchange, dns::Rcode::Refused, kNotAllowed);
  }
  const std::shared_ptr<const ZoneTable>* found = nullptr;
  for (const auto& source : sources_) {
    const ZoneList& zones = source->current();
    const std::size_t at = zones.names.find(query.name());
    if (at == dns::ZoneSet::kNone || zones.names[at].size() != query.qname_size) continue;
    found = &zones.tables[at];
    break;
  }
  if (found == nullptr) return Verdict::Next;
  if (*found == nullptr) return refuse(exchange, dns::Rcode::ServFail, kNotLoaded);
  const std::shared_ptr<const ZoneTable> zone = *found;
  const bool udp = exchange.transport == dns::Transport::Udp || exchange.one_message;
  if (query.qtype == RRType::IXFR) {
    std::uint32_t serial = 0;
    if (!read_ixfr_serial(query, &serial)) {
      exchange.answer.rcode = dns::Rcode::FormErr;
      return Verdict::Answered;
    }
    // Whoever has this zone, or asks over UDP, gets the SOA alone (RFC 1995 section 2).
    const bool unchanged = is_at_or_after(serial, zone->serial());
    if (unchanged || udp) {
      exchange.answer.authoritative = true;
      exchange.answer.add_answer(records_of(*zone, zone->apex(), zone->soa(), 0, false, false));
      if (unchanged && options_.sent) {
        options_.sent({dns::name_to_text(zone->origin()), exchange.client.to_address().to_string(),
                       1, zone->serial(), true});
      }
      return Verdict::Answered;
    }
  } else if (udp) {
    return refuse(exchange, dns::Rcode::Refused, kNotOverUdp);
  }
  const std::vector<dns::ClientKey>& all = under_way_[exchange.worker->index];
  const dns::ClientKey client = dns::client_key(exchange.client);
  if (all.size() >= kMaxTransfers ||
      std::count(all.begin(), all.end(), client) >= kMaxTransfersPerClient) {
    return refuse(exchange, dns::Rcode::Refused, kTooMany);
  }
  std::make_shared<Transfer>(*this, zone, exchange.defer())->go_on();
  return Verdict::Deferred;
}

bool read_ixfr_serial(const dns::Query& query, std::uint32_t* serial) noexcept {
  const Octets message{query.packet, query.size};
  dns::RecordWalker walker(message, query.question_end);
  dns::RecordPlace record;
  while (walker.next(record)) {
    if (record.section != 1 || record.type != RRType::SOA) continue;
    // Two names and five numbers (RFC 1035 3.3.13).
    if (record.end - record.rdata < 22) return false;
    *serial = dns::load_u32(query.packet + record.end - 20);
    return true;
  }
  return false;
}

}  // namespace clusterdns::zones
