// The `whoami` stage: the client's address, port and transport in the additional section, as
// CoreDNS has it. For testing what stands between a client and this server.
#pragma once

#include <array>
#include <vector>

#include "dns/query/stage.h"

namespace clusterdns::dns {

class WhoamiStage final : public Stage {
 public:
  explicit WhoamiStage(unsigned workers) : scratch_(workers) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "whoami"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

 private:
  struct alignas(128) Scratch {
    std::array<std::uint8_t, 16> address;
    std::array<std::uint8_t, 8> srv;  // RDATA of SRV with the root as target
    std::array<std::uint8_t, kMaxNameSize + 8> srv_owner;
  };
  std::vector<Scratch> scratch_;
};

}  // namespace clusterdns::dns
