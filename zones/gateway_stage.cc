#include "zones/gateway_stage.h"

#include <algorithm>
#include <array>
#include <span>

#include "dns/query/encoder.h"
#include "dns/resolve/local_names.h"
#include "dns/resolve/resolution.h"
#include "zones/zone_answers.h"

namespace clusterdns::zones {
namespace {

using dns::Answer;
using dns::NameView;
using dns::RRType;
using dns::Verdict;
using Found = dns::LocalData::Found;

}  // namespace

GatewayStage::GatewayStage(Part part, std::shared_ptr<const GatewayOptions> options,
                           std::shared_ptr<const HostTable> table, Tables others)
    : part_(part),
      options_(std::move(options)),
      table_(std::move(table)),
      others_(std::move(others)),
      soa_ttl_(std::min(options_->ttl, kMaxSoaTtl)) {
  for (const dns::Name& zone : options_->zones) zones_.add(zone);
}

Verdict GatewayStage::handle(dns::Exchange& exchange) noexcept {
  const dns::Query& query = exchange.query;
  if (table_->empty() && zones_.empty()) return Verdict::Next;
  const bool inside = !options_->inside.empty() && options_->inside.contains(exchange.client);
  const Asked asked{query.name(), query.label_offset.data(), query.label_count, query.qtype, 0,
                    inside};
  Answer& answer = exchange.answer;
  const Outcome outcome = resolve(asked, answer);
  if (outcome.found == Found::NotMine || outcome.found == Found::FallsThrough) return Verdict::Next;
  if (is_transfer(query.qtype)) return refuse_transfer(answer);
  switch (outcome.found) {
    case Found::Data: break;
    case Found::Alias: {
      answer.authoritative = true;
      std::uint8_t last = 0;
      const dns::LocalResult result =
          dns::resolve_local(*exchange.route, *exchange.worker, asked.name, query.qtype, answer,
                             &last, &outcome, this);
      return result == dns::LocalResult::Outside ? dns::finish_outside(exchange, last)
                                                 : Verdict::Answered;
    }
    case Found::Failed:
    case Found::NotReady:
      answer.rcode = dns::Rcode::ServFail;
      answer.error = *outcome.error;
      return Verdict::Answered;
    case Found::NXDomain: answer.rcode = dns::Rcode::NXDomain; [[fallthrough]];
    default:
      put_soa(answer.next_authority(), outcome.zone_size == asked.name.size()
                                           ? std::uint8_t{0}
                                           : answer.add_question_suffix(outcome.zone_size));
  }
  answer.authoritative = true;
  return Verdict::Answered;
}

void GatewayStage::put_soa(dns::RRsetRef& soa, std::uint8_t owner) const noexcept {
  set_soa(soa, owner, table_->serial(), soa_ttl_);
}

std::uint8_t GatewayStage::zone_size(NameView name) const noexcept {
  const std::size_t zone = zones_.find(name);
  return static_cast<std::uint8_t>(zone == dns::ZoneSet::kNone ? name.size() : zones_[zone].size());
}

GatewayStage::Host GatewayStage::find_wildcard(const Asked& asked) const noexcept {
  for (unsigned i = 1; i <= asked.labels; ++i) {
    const HostTable::Block* const block =
        table_->find({asked.name.data() + asked.offset[i], asked.name.size() - asked.offset[i]});
    if (block == nullptr) continue;
    if (i == 1) {
      if (const auto* const one = block->get(HostTable::kOneBelow)) {
        return {block, HostTable::kOneBelow, one};
      }
    }
    if (const auto* const below = block->get(HostTable::kBelow)) {
      return {block, HostTable::kBelow, below};
    }
  }
  return {};
}

void GatewayStage::answer_host(const Asked& asked, const Host& host, Answer& answer,
                               Outcome& outcome) const noexcept {
  const HostAddresses& addresses = *host.addresses;
  const bool a = asked.type == RRType::A;
  const bool aaaa = asked.type == RRType::AAAA;
  const bool inside =
      asked.inside && !(addresses.inside_a_rows.empty() && addresses.inside_aaaa_rows.empty());
  outcome.found = Found::NoData;
  if (addresses.has_alias() && !inside) {
    if (!a && !aaaa && asked.type != RRType::CNAME) return;
    outcome.found = Found::Alias;
    outcome.alias = addresses.alias.view();
    outcome.ttl = options_->ttl;
    return;
  }
  if (!addresses.missing.empty() && !inside) {
    answer.error = {true, dns::ExtendedError::Other, addresses.missing.c_str()};
    return;
  }
  if (!a && !aaaa) return;
  const std::vector<std::uint8_t>& rows =
      a ? (inside ? addresses.inside_a_rows : addresses.a_rows)
        : (inside ? addresses.inside_aaaa_rows : addresses.aaaa_rows);
  if (rows.empty()) return;
  outcome.found = Found::Data;
  dns::RRsetRef& rrset = answer.next_answer();
  rrset = {};
  rrset.write = &dns::write_rows;
  rrset.data = rows.data();
  rrset.count = static_cast<std::uint32_t>(rows.size() / (a ? dns::kARowSize : dns::kAaaaRowSize));
  if (options_->rotate) rrset.rotation = host.block->turn(host.reach, aaaa, rrset.count);
  rrset.ttl = options_->ttl;
  rrset.type = asked.type;
  rrset.owner = asked.owner;
}

bool GatewayStage::all_ready() const noexcept {
  return table_->ready() && std::all_of(others_.begin(), others_.end(),
                                        [](const auto& table) { return table->ready(); });
}

bool GatewayStage::is_above_a_host(NameView name) const noexcept {
  return table_->find(name) != nullptr ||
         std::any_of(others_.begin(), others_.end(),
                     [&](const auto& table) { return table->find(name) != nullptr; });
}

void GatewayStage::resolve_in_zone(const Asked& asked, NameView zone, Answer& answer,
                                   Outcome& outcome) const noexcept {
  if (options_->fall_through &&
      (options_->fall_through_in.empty() || options_->fall_through_in.contains(asked.name))) {
    // No host, wherever it stands: while it is not known whether it is one, it waits.
    const bool ready = all_ready();
    outcome.found = ready ? Found::FallsThrough : Found::NotReady;
    outcome.error = ready ? nullptr : &kNotReady;
  } else if (zone.size() == asked.name.size()) {
    outcome.found = Found::NoData;
    if (asked.type != RRType::SOA) return;
    put_soa(answer.next_answer(), asked.owner);
    outcome.found = Found::Data;
  } else if (is_above_a_host(asked.name)) {
    outcome.found = Found::NoData;
  } else if (!all_ready()) {
    outcome.found = Found::NotReady;
    outcome.error = &kNotReady;
  } else {
    outcome.found = Found::NXDomain;
  }
}

dns::LocalData::Outcome GatewayStage::resolve(const Asked& asked, Answer& answer) const noexcept {
  Outcome outcome;
  Host host;
  if (part_ == Part::Exact) {
    const HostTable::Block* const block = table_->find(asked.name);
    if (block == nullptr) return outcome;
    host = {block, HostTable::kExact, block->get(HostTable::kExact)};
  } else if (!table_->empty()) {
    host = find_wildcard(asked);
  }
  const std::size_t zone = part_ != Part::Rest || zones_.empty()
                               ? dns::ZoneSet::kNone
                               : zones_.find(asked.name, asked.offset, asked.labels);
  if (host.addresses == nullptr && zone == dns::ZoneSet::kNone) return outcome;
  if (!options_->cluster_zones.empty() &&
      options_->cluster_zones.find(asked.name, asked.offset, asked.labels) != dns::ZoneSet::kNone) {
    return outcome;
  }
  outcome.ttl = soa_ttl_;
  if (host.addresses != nullptr) {
    answer_host(asked, host, answer, outcome);
  } else {
    resolve_in_zone(asked, zones_[zone], answer, outcome);
  }
  outcome.zone_size = zone_size(asked.name);
  return outcome;
}

dns::LocalData::Outcome GatewayStage::look_up(NameView name, RRType type, std::uint8_t owner,
                                              Answer& answer, const dns::WorkerContext&) noexcept {
  if (table_->empty() && zones_.empty()) return {};
  LabelOffsets offset;
  const unsigned labels = find_labels(name, offset);
  return resolve({name, offset.data(), labels, type, owner, false}, answer);
}

void GatewayStage::add_soa(NameView name, std::uint8_t owner, Answer& answer) noexcept {
  const std::uint8_t size = zone_size(name);
  if (size != name.size()) {
    owner = owner == 0 ? answer.add_question_suffix(size)
                       : answer.add_name(name.data() + (name.size() - size), size);
  }
  put_soa(answer.next_authority(), owner);
}

}  // namespace clusterdns::zones
