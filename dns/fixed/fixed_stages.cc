#include "dns/fixed/fixed_stages.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "dns/query/encoder.h"

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

// A record whose RDATA lives as long as the stage.
RRsetRef record(RRType type, std::uint32_t ttl, Octets rdata, std::uint8_t owner = 0) noexcept {
  RRsetRef ref;
  ref.write = &write_rdata;
  ref.data = rdata.data();
  ref.count = static_cast<std::uint32_t>(rdata.size());
  ref.type = type;
  ref.ttl = ttl;
  ref.owner = owner;
  return ref;
}

bool is(NameView name, std::string_view wire) noexcept {
  return name.size() == wire.size() && std::memcmp(name.data(), wire.data(), wire.size()) == 0;
}
bool ends(NameView name, std::string_view wire) noexcept {
  return has_suffix_ignoring_case(
      name, {reinterpret_cast<const std::uint8_t*>(wire.data()), wire.size()});
}

using namespace std::string_view_literals;

// RFC 8482 4.2; the texts are CoreDNS's.
constexpr std::string_view kHinfo = "\15ANY obsoleted\14See RFC 8482"sv;
constexpr std::uint32_t kHinfoTtl = 8482;

}  // namespace

Verdict AnyStage::handle(Exchange& exchange) noexcept {
  if (exchange.query.qtype != RRType::ANY) return Verdict::Next;
  exchange.answer.add_answer(
      record(RRType::HINFO, kHinfoTtl,
             {reinterpret_cast<const std::uint8_t*>(kHinfo.data()), kHinfo.size()}));
  return Verdict::Answered;
}

// --- chaos ---

ChaosStage::ChaosStage(const Options& options) {
  const auto text = [](const std::string& from) {
    constexpr std::size_t kMost = 255;
    const std::size_t size = std::min(from.size(), kMost);
    Text rdata{static_cast<std::uint8_t>(size)};
    rdata.insert(rdata.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(size));
    return rdata;
  };
  version_ = text(options.version);
  host_name_ = text(options.host_name);
  for (const std::string& author : options.authors) authors_.push_back(text(author));
}

Verdict ChaosStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  if (query.qclass != RRClass::CH || query.qtype != RRType::TXT) return Verdict::Next;
  const NameView name = query.name();
  Answer& answer = exchange.answer;
  if (is(name, "\7version\4bind\0"sv) || is(name, "\7version\6server\0"sv)) {
    answer.add_answer(record(RRType::TXT, 0, version_));
  } else if (is(name, "\10hostname\4bind\0"sv) || is(name, "\2id\6server\0"sv)) {
    answer.add_answer(record(RRType::TXT, 0, host_name_));
  } else if (is(name, "\7authors\4bind\0"sv)) {
    const auto count = static_cast<std::uint32_t>(authors_.size());
    const std::uint32_t first =
        count == 0 ? 0 : exchange.worker->next_turn(name, query.qtype, count);
    for (std::uint32_t i = 0; i < count; ++i) {
      answer.add_answer(record(RRType::TXT, 0, authors_[(first + i) % count]));
    }
  } else {
    return Verdict::Next;
  }
  return Verdict::Answered;
}

// --- local ---

namespace {

constexpr std::uint32_t kLocalTtl = 604800;
constexpr std::array<std::uint8_t, 4> kLoopback4{127, 0, 0, 1};
constexpr std::array<std::uint8_t, 16> kLoopback6{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
constexpr std::string_view kLocalhost = "\11localhost\0"sv;
// localhost. root.localhost. 1 0 0 0 604800
constexpr std::string_view kSoa =
    "\11localhost\0\4root\11localhost\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\x09\x3a\x80"sv;

Octets octets(std::string_view text) noexcept {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

void add_local_soa(Answer& answer, std::uint8_t owner = 0) noexcept {
  answer.add_authority(record(RRType::SOA, kLocalTtl, octets(kSoa), owner));
}

// A, AAAA: the loopback addresses.
bool add_loopback(Answer& answer, RRType type) noexcept {
  if (type == RRType::A) {
    answer.add_answer(record(RRType::A, kLocalTtl, kLoopback4));
  } else if (type == RRType::AAAA) {
    answer.add_answer(record(RRType::AAAA, kLocalTtl, kLoopback6));
  } else {
    return false;
  }
  return true;
}

}  // namespace

Verdict LocalStage::handle(Exchange& exchange) noexcept {
  const Query& query = exchange.query;
  const NameView name = query.name();
  Answer& answer = exchange.answer;
  const std::string_view label = kLocalhost.substr(0, kLocalhost.size() - 1);
  const bool apex = is(name, kLocalhost);
  if (!apex &&
      (ends(name, kLocalhost) || (prefix_ && name.size() > label.size() &&
                                  std::memcmp(name.data(), label.data(), label.size()) == 0))) {
    counters_.add(exchange.worker->index, 0);
    if (!add_loopback(answer, query.qtype)) add_local_soa(answer);
    return Verdict::Answered;
  }
  static constexpr std::string_view kZones[] = {kLocalhost, "\0010\7in-addr\4arpa\0"sv,
                                                "\003127\7in-addr\4arpa\0"sv,
                                                "\003255\7in-addr\4arpa\0"sv};
  const auto zone = std::find_if(std::begin(kZones), std::end(kZones),
                                 [name](std::string_view each) { return ends(name, each); });
  if (zone == std::end(kZones)) return Verdict::Next;
  const bool at_zone = name.size() == zone->size();
  const auto zone_owner = [&] {
    return at_zone ? std::uint8_t{0}
                   : answer.add_question_suffix(static_cast<std::uint8_t>(zone->size()));
  };
  if (at_zone) {
    if (query.qtype == RRType::SOA) {
      answer.add_answer(record(RRType::SOA, kLocalTtl, octets(kSoa)));
    } else if (query.qtype == RRType::NS) {
      answer.add_answer(record(RRType::NS, kLocalTtl, octets(kLocalhost)));
    } else if (!apex || !add_loopback(answer, query.qtype)) {
      add_local_soa(answer);
    }
  } else if (is(name, "\0011\0010\0010\003127\7in-addr\4arpa\0"sv)) {
    if (query.qtype == RRType::PTR) {
      answer.add_answer(record(RRType::PTR, kLocalTtl, octets(kLocalhost)));
    } else {
      add_local_soa(answer, zone_owner());
    }
  } else {
    answer.rcode = Rcode::NXDomain;
    add_local_soa(answer, zone_owner());
  }
  return Verdict::Answered;
}

// --- erratic ---

namespace {

constexpr std::array<std::uint8_t, 4> kErratic4{192, 0, 2, 53};
constexpr std::array<std::uint8_t, 16> kErratic6{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0,
                                                 0,    0,    0,    0,    0, 0, 0, 0x53};
constexpr ExtendedErrorNote kOnlyAddresses{true, ExtendedError::Other,
                                           "erratic answers A and AAAA only"};

// Keeps the exchange for a while.
void finish_later(std::unique_ptr<Exchange> exchange, std::chrono::nanoseconds wait) {
  auto timer = std::make_unique<boost::asio::steady_timer>(*exchange->worker->io, wait);
  auto& waiting = *timer;
  waiting.async_wait([timer = std::move(timer), exchange = std::move(exchange)](
                         const boost::system::error_code& error) mutable {
    if (!error) finish(std::move(exchange));
  });
}

}  // namespace

Verdict ErraticStage::handle(Exchange& exchange) noexcept {
  const std::uint64_t number = queries_.fetch_add(1, std::memory_order_relaxed);
  const auto is_due = [number](std::uint64_t every) { return every > 0 && number % every == 0; };
  if (is_due(options_.drop)) return Verdict::Drop;
  Answer& answer = exchange.answer;
  answer.authoritative = true;
  answer.truncated = is_due(options_.truncate);
  const unsigned copies = options_.large ? 30 : 1;
  switch (exchange.query.qtype) {
    case RRType::A:
      for (unsigned i = 0; i < copies; ++i) answer.add_answer(record(RRType::A, 0, kErratic4));
      break;
    case RRType::AAAA: answer.add_answer(record(RRType::AAAA, 0, kErratic6)); break;
    default: exchange.fail(Rcode::ServFail, kOnlyAddresses); break;
  }
  if (!is_due(options_.delay)) return Verdict::Answered;
  finish_later(exchange.defer_with_answer(), options_.duration);
  return Verdict::Deferred;
}

}  // namespace clusterdns::dns
