// Which clients ask for the A and the AAAA of a name, one after the other (`pair_prefetch`).
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "dns/net/endpoint.h"
#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

// Remembers the last names of some clients, in 32 KiB. Any thread, without a lock: who meets at one
// client may lose a name, and clients whose hashes are alike forget each other.
class PairClients {
 public:
  static constexpr std::size_t kClients = 4096;
  // A client that asked for both types of so many of its last names does so again.
  static constexpr unsigned kNames = 10;
  static constexpr unsigned kPairs = 8;

  PairClients() noexcept;

  // `client` asks for the A or AAAA (`type`) of `name`, which is lower-case with kPadding readable
  // octets behind it. True when the other type is still to come, by what it did so far.
  [[nodiscard]] bool asks(const Endpoint& client, NameView name, RRType type) noexcept;

 private:
  const std::uint64_t seed_;
  // From bit 0 on: the types asked for of the last name, which of the names before came in pairs,
  // and parts of the hashes of that name and of the client. 0: nobody.
  std::array<std::atomic<std::uint64_t>, kClients> clients_{};
};

}  // namespace clusterdns::dns
