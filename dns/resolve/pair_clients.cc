#include "dns/resolve/pair_clients.h"

#include <bit>

#include "dns/base/hash.h"
#include "dns/base/random.h"
#include "dns/net/client_key.h"

namespace clusterdns::dns {
namespace {

constexpr unsigned kTypeBits = 2;
constexpr unsigned kNameTagBits = 24;
constexpr unsigned kClientTagBits = 28;
static_assert(kTypeBits + PairClients::kNames + kNameTagBits + kClientTagBits == 64);
constexpr std::uint64_t kBoth = 3;
constexpr std::uint64_t kHistory = (std::uint64_t{1} << PairClients::kNames) - 1;

}  // namespace

PairClients::PairClients() noexcept : seed_(random_seed()) {}

bool PairClients::asks(const Endpoint& client, NameView name, RRType type) noexcept {
  const ClientKey key = client_key(client);
  const std::uint64_t who = mix(key.prefix ^ seed_, 0x9E3779B97F4A7C15 + (key.v6 ? 1 : 0));
  const std::uint64_t what = hash_padded(name.data(), name.size(), seed_);
  const std::uint64_t client_tag = who >> (64 - kClientTagBits);
  const std::uint64_t name_tag = what >> (64 - kNameTagBits);
  const std::uint64_t bit = type == RRType::A ? 1 : 2;
  std::atomic<std::uint64_t>& slot = clients_[who % kClients];
  const std::uint64_t before = slot.load(std::memory_order_relaxed);
  std::uint64_t types = before & kBoth;
  std::uint64_t history = before >> kTypeBits & kHistory;
  const std::uint64_t last = before >> (kTypeBits + kNames);
  if (last >> kNameTagBits != client_tag) {
    history = 0;
    types = bit;
  } else if ((last & ((std::uint64_t{1} << kNameTagBits) - 1)) != name_tag) {
    history = (history << 1 | (types == kBoth ? 1U : 0U)) & kHistory;
    types = bit;
  } else {
    types |= bit;
  }
  slot.store(((client_tag << kNameTagBits | name_tag) << kNames | history) << kTypeBits | types,
             std::memory_order_relaxed);
  return types != kBoth && std::popcount(history) >= static_cast<int>(kPairs);
}

}  // namespace clusterdns::dns
