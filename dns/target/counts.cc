#include "dns/target/counts.h"

#include "dns/base/hash.h"
#include "dns/base/random.h"

namespace clusterdns::dns {
namespace {

constexpr std::uint64_t kStep = 0x9E3779B97F4A7C15;

// The end of SplitMix64: every bit of the result depends on every bit of `x`.
std::uint64_t scramble(std::uint64_t x) noexcept {
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return x ^ (x >> 31);
}

class Fnv {
 public:
  explicit Fnv(std::uint64_t start) noexcept : hash_(0xCBF29CE484222325 ^ scramble(start)) {}
  void add(const std::uint8_t* data, std::size_t size) noexcept {
    for (std::size_t i = 0; i < size; ++i) hash_ = (hash_ ^ data[i]) * 0x100000001B3;
    // What follows does not run into it.
    hash_ = (hash_ ^ size) * 0x100000001B3;
  }
  [[nodiscard]] std::uint64_t get() const noexcept { return hash_; }

 private:
  std::uint64_t hash_;
};

}  // namespace

Draws::Draws(std::uint64_t seed, std::string_view rule, const Exchange& exchange) noexcept {
  Fnv fnv(seed);
  fnv.add(reinterpret_cast<const std::uint8_t*>(rule.data()), rule.size());
  fnv.add(exchange.client.address.data(), exchange.client.v6 ? 16 : 4);
  fnv.add(exchange.query.lower.data(), exchange.query.qname_size);
  std::uint8_t type[2];
  store_u16(type, static_cast<std::uint16_t>(exchange.query.qtype));
  fnv.add(type, 2);
  base_ = scramble(fnv.get());
}

double Draws::draw(std::uint64_t met, std::uint32_t what) const noexcept {
  const std::uint64_t x = scramble(scramble(base_ + met * kStep) + (what + 1) * kStep);
  return static_cast<double>(x >> 11) * 0x1.0p-53;
}

std::uint32_t FaultCounts::Counts::next(std::size_t place) {
  if (of.size() <= place) of.resize(place + 1);
  return ++of[place];
}

FaultCounts::FaultCounts(std::size_t most) : most_(most), salt_{random_seed(), random_seed()} {}

FaultCounts::Key FaultCounts::key_of(std::uint64_t group, std::string_view rule,
                                     const Exchange& exchange) const noexcept {
  Key key;
  for (std::uint64_t* const half : {&key.high, &key.low}) {
    std::uint64_t hash = salt_[half == &key.high ? 0 : 1] ^ scramble(group + 1);
    for (const char c : rule) hash = mix(hash ^ static_cast<std::uint8_t>(c), kStep);
    std::uint64_t words[2];
    std::memcpy(words, exchange.client.address.data(), 16);
    hash = mix(hash ^ words[0], kStep ^ words[1]);
    hash = mix(hash ^ static_cast<std::uint64_t>(exchange.query.qtype) << 1 ^
                   (exchange.client.v6 ? 1U : 0U),
               kStep);
    *half = hash_padded(exchange.query.lower.data(), exchange.query.qname_size, hash);
  }
  return key;
}

FaultCounts::Counts& FaultCounts::find(const Key& key) {
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->counts;
  }
  if (entries_.size() >= most_) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
    evicted_.fetch_add(1, std::memory_order_relaxed);
  }
  entries_.push_front({key, {}});
  by_key_.emplace(key, entries_.begin());
  return entries_.front().counts;
}

void FaultCounts::clear() {
  const std::lock_guard lock(mutex_);
  by_key_.clear();
  entries_.clear();
}

std::size_t FaultCounts::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace clusterdns::dns
