#include "dns/query/whoami_stage.h"

#include <cstring>

#include "dns/query/encoder.h"

namespace clusterdns::dns {

Verdict WhoamiStage::handle(Exchange& exchange) noexcept {
  Scratch& scratch = scratch_[exchange.worker->index];
  Answer& answer = exchange.answer;
  answer.authoritative = true;

  RRsetRef address;
  address.write = &write_rdata;
  address.type = exchange.client.v6 ? RRType::AAAA : RRType::A;
  address.count = exchange.client.v6 ? 16 : 4;
  scratch.address = exchange.client.address;
  address.data = scratch.address.data();
  answer.add_additional(address);

  // _udp.<name> or _tcp.<name>, with the client's port.
  const NameView asked = exchange.query.name_as_asked();
  constexpr std::size_t kLabel = 5;
  if (asked.size() + kLabel > kMaxNameSize) return Verdict::Answered;
  std::memcpy(scratch.srv_owner.data(), exchange.transport == Transport::Udp ? "\4_udp" : "\4_tcp",
              kLabel);
  std::memcpy(scratch.srv_owner.data() + kLabel, asked.data(), asked.size());
  scratch.srv = {};
  store_u16(scratch.srv.data() + 4, exchange.client.port);
  RRsetRef srv;
  srv.write = &write_rdata;
  srv.type = RRType::SRV;
  srv.count = 7;
  srv.data = scratch.srv.data();
  srv.owner =
      answer.add_name(scratch.srv_owner.data(), static_cast<std::uint8_t>(asked.size() + kLabel));
  answer.add_additional(srv);
  return Verdict::Answered;
}

}  // namespace clusterdns::dns
