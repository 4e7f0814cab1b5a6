#include "dns/policy/query_scope.h"

#include <algorithm>

#include "dns/net/address_ranges.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::dns {
namespace {

enum Function : std::size_t {
  kInCidr,
  kMetadata,
  kType,
  kName,
  kClass,
  kProto,
  kSize,
  kClientIp,
  kPort,
  kId,
  kOpcode,
  kDo,
  kBufsize,
  kServerIp,
  kServerPort,
};

constexpr ExprNames::Function kFunctions[] = {
    {"incidr", 2, 2},  {"metadata", 1, 1},  {"type", 0, 0},        {"name", 0, 0},
    {"class", 0, 0},   {"proto", 0, 0},     {"size", 0, 0},        {"client_ip", 0, 0},
    {"port", 0, 0},    {"id", 0, 0},        {"opcode", 0, 0},      {"do", 0, 0},
    {"bufsize", 0, 0}, {"server_ip", 0, 0}, {"server_port", 0, 0},
};

ExprValue number(std::size_t n) { return static_cast<std::int64_t>(n); }

// nullopt: one of them is not what it should be.
std::optional<ExprValue> in_cidr(const ExprValue& ip, const ExprValue& cidr) {
  if (ip.as_string() == nullptr || cidr.as_string() == nullptr) return std::nullopt;
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(*ip.as_string(), error);
  if (error) return std::nullopt;
  // Octets behind the prefix do not matter, as for Go's ParseCIDR.
  const std::string& text = *cidr.as_string();
  const std::size_t slash = text.find('/');
  if (slash == std::string::npos) return std::nullopt;
  const auto network = boost::asio::ip::make_address(text.substr(0, slash), error);
  if (error) return std::nullopt;
  const std::string digits = text.substr(slash + 1);
  if (digits.empty() || digits.size() > 3 ||
      digits.find_first_not_of("0123456789") != std::string::npos) {
    return std::nullopt;
  }
  const auto bits = static_cast<unsigned>(std::stoul(digits));
  const Endpoint a = make_endpoint(address, 0);
  const Endpoint b = make_endpoint(network, 0);
  if (bits > (b.v6 ? 128U : 32U)) return std::nullopt;
  if (a.v6 != b.v6) return false;
  for (unsigned i = 0; i < bits; ++i) {
    const auto bit = static_cast<std::uint8_t>(0x80 >> i % 8);
    if ((a.address[i / 8] & bit) != (b.address[i / 8] & bit)) return false;
  }
  return true;
}

}  // namespace

std::span<const ExprNames::Function> QueryScope::functions() noexcept { return kFunctions; }

std::optional<ExprValue> QueryScope::call(std::size_t function,
                                          std::span<const ExprValue> arguments) const {
  const Query& query = exchange_.query;
  const bool udp = exchange_.transport == Transport::Udp;
  switch (function) {
    case kInCidr: return in_cidr(arguments[0], arguments[1]);
    case kMetadata: {
      const std::string* const label = arguments[0].as_string();
      return label == nullptr ? std::string() : metadata_value(exchange_, *label, metadata_);
    }
    case kType: return rrtype_to_text(query.qtype);
    case kName: return name_to_text(query.name());
    case kClass: return rrclass_to_text(query.qclass);
    case kProto: return std::string(udp ? "udp" : "tcp");
    case kSize: return number(query.size);
    case kClientIp: return exchange_.client.to_address().to_string();
    case kPort: return std::to_string(exchange_.client.port);
    case kId: return number(query.id);
    case kOpcode: return number(query.flags >> 11 & 0xF);
    case kDo: return query.dnssec_ok;
    case kBufsize:
      return number(udp ? std::max<std::size_t>(query.udp_size, kMaxUdpWithoutEdns)
                        : kMaxMessageSize);
    case kServerIp: return exchange_.local.to_address().to_string();
    case kServerPort: return std::to_string(exchange_.local.port);
    default: return std::nullopt;
  }
}

bool ViewCondition::holds(const Exchange& exchange) const {
  const QueryScope scope(exchange, metadata_.get());
  return std::all_of(conditions_.begin(), conditions_.end(), [&](const Expr& condition) {
    const auto value = condition.evaluate(scope);
    return value && value->as_bool() != nullptr && *value->as_bool();
  });
}

}  // namespace clusterdns::dns
