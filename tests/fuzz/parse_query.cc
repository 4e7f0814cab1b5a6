// Request octets: the gates, and the refusals that they lead to.
#include <algorithm>

#include "dns/query/encoder.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/query_parser.h"
#include "tests/fuzz/messages.h"

namespace clusterdns::fuzz {

std::vector<Octets> generated_seeds() { return queries(); }

namespace {

void refuse(const dns::Query& query, dns::Rcode rcode, std::size_t request_size) {
  Octets out(dns::kMaxUdpWithoutEdns);
  out.resize(dns::encode_error(query, rcode, dns::kDefaultUdpSize, out.data(), out.size()));
  // No amplification: the question comes back, and an OPT record at most.
  FUZZ_REQUIRE(out.size() <= request_size + dns::kOptRecordSize);
  const auto response = dns::read_message(out);
  FUZZ_REQUIRE(response.has_value());
  FUZZ_REQUIRE((response->flags & dns::kFlagQR) != 0);
  FUZZ_REQUIRE(response->rcode ==
               static_cast<std::uint16_t>(response->has_opt
                                              ? rcode
                                              : dns::Rcode{static_cast<std::uint16_t>(
                                                    static_cast<unsigned>(rcode) & 0xF)}));
}

void check(std::span<const std::uint8_t> packet, const dns::Query& query) {
  FUZZ_REQUIRE(query.question_end == dns::kHeaderSize + query.qname_size + 4U);
  FUZZ_REQUIRE(query.question_end <= packet.size());
  std::size_t end = 0;
  auto name = dns::Name::from_message(packet, dns::kHeaderSize, &end);
  FUZZ_REQUIRE(name.has_value());
  FUZZ_REQUIRE(end == dns::kHeaderSize + query.qname_size);
  FUZZ_REQUIRE(name->label_count() == query.label_count);
  name->make_lower();
  FUZZ_REQUIRE(*name == dns::Name(query.name()));
  FUZZ_REQUIRE(query.name()[query.label_offset[query.label_count]] == 0);
  if (query.has_edns) {
    FUZZ_REQUIRE(query.opt_offset >= query.question_end);
    FUZZ_REQUIRE(query.opt_end >= query.opt_offset + dns::kOptRecordSize);
    FUZZ_REQUIRE(query.opt_end <= packet.size());
  }
}

}  // namespace
}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  if (size > dns::kMaxMessageSize) return 0;
  // What receive buffers have behind the packet, and nothing more.
  fuzz::Octets packet(size + dns::kPadding);
  std::copy_n(data, size, packet.begin());
  const std::span<const std::uint8_t> view(packet.data(), size);
  dns::Query query;
  switch (dns::parse_query(view, query)) {
    case dns::Gate::Drop: FUZZ_REQUIRE(size < dns::kHeaderSize || (data[2] & 0x80) != 0); break;
    case dns::Gate::FormErr: fuzz::refuse(query, dns::Rcode::FormErr, size); break;
    case dns::Gate::NotImp: fuzz::refuse(query, dns::Rcode::NotImp, size); break;
    case dns::Gate::BadVers:
      fuzz::check(view, query);
      fuzz::refuse(query, dns::Rcode::BadVers, size);
      break;
    case dns::Gate::Pass: fuzz::check(view, query); break;
  }
  return 0;
}
