// DNS messages of captures: pcap and pcapng files (raw IP, Ethernet, Linux cooked), and dnstap
// files.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dns/net/endpoint.h"
#include "dns/query/exchange.h"

namespace clusterdns::dns {

struct CapturedMessage {
  std::int64_t time_ns = 0;  // since 1970
  Endpoint from, to;
  Transport transport = Transport::Udp;
  std::vector<std::uint8_t> octets;
  bool answer = false;
};

// The messages in `file`, in their order; packets that are no DNS over UDP or TCP are left out.
// nullopt with the reason in `*error`: it is none of these formats, or is broken.
[[nodiscard]] std::optional<std::vector<CapturedMessage>> read_capture(std::string_view file,
                                                                       std::string* error);

}  // namespace clusterdns::dns
