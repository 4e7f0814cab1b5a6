// Whole messages, as upstreams send them: read, written and read again, nothing may change.
#include "dns/wire/message_reader.h"
#include "tests/fuzz/messages.h"

namespace clusterdns::fuzz {
namespace {

dns::Record record(std::string_view owner, dns::RRType type, Octets rdata) {
  return {dns::Name::from_text(owner).value(), type, dns::RRClass::IN, 300, std::move(rdata)};
}
Octets names(std::initializer_list<std::string_view> texts, Octets before = {}, Octets after = {}) {
  Octets out = std::move(before);
  for (const std::string_view text : texts) put_name(out, text);
  out.insert(out.end(), after.begin(), after.end());
  return out;
}

}  // namespace

std::vector<Octets> generated_seeds() {
  using dns::RRType;
  std::vector<Octets> seeds = queries();
  dns::Message m;
  m.id = 7;
  m.flags = dns::kFlagQR | dns::kFlagRD | dns::kFlagRA;
  m.has_question = true;
  m.qname = dns::Name::from_text("www.example.com").value();
  m.qtype = RRType::A;
  m.qclass = dns::RRClass::IN;
  m.answer = {
      record("www.example.com", RRType::CNAME, names({"web.example.com"})),
      record("web.example.com", RRType::A, {192, 0, 2, 1}),
      record("web.example.com", RRType::AAAA, Octets(16, 1)),
      record("example.com", RRType::MX, names({"mail.example.com"}, {0, 10})),
      record("_x._tcp.example.com", RRType::SRV, names({"web.example.com"}, {0, 1, 0, 2, 0, 80})),
      record("example.com", RRType::TXT, {3, 'a', 'b', 'c', 0})};
  m.authority = {
      record("example.com", RRType::SOA,
             names({"ns.example.com", "admin.example.com"}, {}, Octets(20, 0))),
      record("example.com", RRType::NS, names({"ns.example.com"})),
      record("example.com", RRType::RRSIG,
             names({"example.com"}, {0, 1, 8, 2, 0, 0, 1, 44, 96, 0, 0, 0, 95, 0, 0, 0, 1, 2},
                   {9, 9, 9})),
      record("a.example.com", RRType::NSEC, names({"b.example.com"}, {}, {0, 2, 0x40, 1}))};
  m.additional = {
      record("ns.example.com", RRType::A, {192, 0, 2, 53}),
      record("example.com", RRType::HTTPS, names({"."}, {0, 1}, {0, 1, 0, 3, 2, 'h', '2'})),
      record("example.com", RRType{65280}, {1, 2, 3})};
  m.has_opt = true;
  m.opt_udp_size = 1232;
  m.opt_ttl = 0x8000;
  m.opt_options = {0, 15, 0, 4, 0, 3, 'o', 'k'};
  seeds.push_back(dns::write_message(m, dns::kMaxMessageSize));
  m.answer.clear();
  m.additional.clear();
  m.rcode = 23;
  seeds.push_back(dns::write_message(m, dns::kMaxMessageSize));
  m.has_opt = false;
  m.rcode = 3;
  seeds.push_back(dns::write_message(m, dns::kMaxMessageSize));
  return seeds;
}

namespace {

bool same(const std::vector<dns::Record>& a, const std::vector<dns::Record>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!(a[i].owner == b[i].owner) || a[i].type != b[i].type || a[i].rrclass != b[i].rrclass ||
        a[i].ttl != b[i].ttl || a[i].rdata != b[i].rdata) {
      return false;
    }
  }
  return true;
}

}  // namespace
}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  // Names written out of compression must fit the message that is written again.
  constexpr std::size_t kMaxInput = 2048;
  if (size > kMaxInput) return 0;
  const auto first = dns::read_message({data, size});
  if (!first) return 0;
  for (const auto* section : {&first->answer, &first->authority, &first->additional}) {
    for (const dns::Record& record : *section) {
      for (const char c : dns::rdata_to_text(record.type, record.rdata)) {
        FUZZ_REQUIRE(c >= 0x20 && c < 0x7F);
      }
      const std::string type_text = dns::rrtype_to_text(record.type);
      dns::RRType type{};
      FUZZ_REQUIRE(dns::rrtype_from_text(type_text, &type) && type == record.type);
      const auto owner = dns::Name::from_text(record.owner.to_text());
      FUZZ_REQUIRE(owner.has_value() && *owner == record.owner);
    }
  }
  const auto written = dns::write_message(*first, dns::kMaxMessageSize);
  const auto second = dns::read_message(written);
  FUZZ_REQUIRE(second.has_value());
  FUZZ_REQUIRE(first->id == second->id);
  FUZZ_REQUIRE(first->flags == second->flags);
  FUZZ_REQUIRE(first->rcode == second->rcode);
  FUZZ_REQUIRE(first->has_question == second->has_question);
  FUZZ_REQUIRE(first->qname == second->qname);
  FUZZ_REQUIRE(first->qtype == second->qtype && first->qclass == second->qclass);
  FUZZ_REQUIRE(first->has_opt == second->has_opt);
  FUZZ_REQUIRE(first->opt_udp_size == second->opt_udp_size);
  FUZZ_REQUIRE(first->opt_ttl == second->opt_ttl);
  FUZZ_REQUIRE(first->opt_options == second->opt_options);
  FUZZ_REQUIRE(fuzz::same(first->answer, second->answer));
  FUZZ_REQUIRE(fuzz::same(first->authority, second->authority));
  FUZZ_REQUIRE(fuzz::same(first->additional, second->additional));
  // Any limit gives a message that reads.
  const std::size_t limit = dns::kMaxUdpWithoutEdns + size % 64;
  const auto cut = dns::write_message(*first, limit);
  FUZZ_REQUIRE(cut.size() <= limit);
  FUZZ_REQUIRE(dns::read_message(cut).has_value());
  return 0;
}
