#include "app/commands/synthetic.h"

#include <memory>

#include "app/corefile/error.h"
#include "dns/query/exchange.h"
#include "dns/target/synthetic.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

constexpr int kUsage = 2;

// A query over TCP, with an OPT record, so that every answer fits.
std::vector<std::uint8_t> question(const dns::Name& name, dns::RRType type) {
  std::vector<std::uint8_t> octets(dns::kHeaderSize);
  octets[5] = octets[11] = 1;  // QDCOUNT, ARCOUNT
  octets.insert(octets.end(), name.data(), name.data() + name.size());
  const std::size_t at = octets.size();
  octets.resize(at + 4 + dns::kOptRecordSize + dns::kPadding);
  dns::store_u16(octets.data() + at, static_cast<std::uint16_t>(type));
  dns::store_u16(octets.data() + at + 2, static_cast<std::uint16_t>(dns::RRClass::IN));
  dns::store_u16(octets.data() + at + 5, static_cast<std::uint16_t>(dns::RRType::OPT));
  dns::store_u16(octets.data() + at + 7, dns::kDefaultUdpSize);
  return octets;
}

}  // namespace

int run_synthetic(const SyntheticOptions& options, std::ostream& out, std::ostream& err) {
  const auto wrong = [&err](const std::string& what) {
    err << "clusterdns synthetic: " << what << "\n";
    return kUsage;
  };
  const auto name = dns::Name::from_text(options.name);
  if (!name) {
    return wrong(in_quotes(options.name) + " is not a domain name: " + name.error().message());
  }
  dns::Name zone = dns::Name::from_text(options.zone).value();
  zone.make_lower();
  if (!dns::has_suffix_ignoring_case(name->view(), zone.view())) {
    return wrong(in_quotes(name->to_text()) + " is not in the zone " + zone.to_text() +
                 "; name another one with --zone");
  }
  dns::RRType type{};
  if (!dns::rrtype_from_text(options.type, &type)) {
    return wrong(in_quotes(options.type) +
                 " is not a record type; write A, AAAA, TXT, SRV or another");
  }
  dns::SyntheticStage::Options stage_options;
  stage_options.zones = {zone};
  const auto route = std::make_shared<dns::Route>();
  route->stages.push_back(std::make_shared<dns::SyntheticStage>(std::move(stage_options), 1));
  dns::WorkerContext worker;
  const auto exchange = std::make_unique<dns::Exchange>();
  const std::vector<std::uint8_t> request = question(*name, type);
  if (dns::parse_query({request.data(), request.size() - dns::kPadding}, exchange->query) !=
      dns::Gate::Pass) {
    return wrong(in_quotes(options.type) + " can not be asked for");
  }
  exchange->client = dns::make_endpoint(boost::asio::ip::address_v4::loopback(), dns::kDnsPort);
  exchange->transport = dns::Transport::Tcp;
  exchange->limit = dns::kMaxMessageSize;
  exchange->worker = &worker;
  exchange->route = route.get();
  exchange->start_answer();
  (void)exchange->pass_through(0);
  const auto message = dns::read_message(exchange->encoded());
  if (!message) return wrong("internal error: " + message.error().message());
  for (const dns::Record& record : message->answer) {
    out << record.owner.to_text() << " " << record.ttl << " IN " << dns::rrtype_to_text(record.type)
        << " " << dns::rdata_to_text(record.type, record.rdata) << "\n";
  }
  if (message->answer.empty()) err << "NODATA\n";
  return 0;
}

}  // namespace clusterdns::app
