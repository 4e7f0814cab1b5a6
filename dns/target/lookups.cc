#include "dns/target/lookups.h"

namespace clusterdns::dns {
namespace {

std::string key_of(const Endpoint& client, const Query& query) {
  std::string key(reinterpret_cast<const char*>(client.address.data()), client.v6 ? 16 : 4);
  const auto type = static_cast<std::uint16_t>(query.qtype);
  key += static_cast<char>(type >> 8);
  key += static_cast<char>(type);
  key.append(reinterpret_cast<const char*>(query.lower.data()), query.qname_size);
  return key;
}

}  // namespace

Lookups::Lookups(std::vector<std::int64_t> within) : within_(std::move(within)) {
  result_.good.resize(within_.size());
}

void Lookups::on_query(const Exchange& exchange) {
  std::string key = key_of(exchange.client, exchange.query);
  const std::int64_t now = exchange.received_ns;
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found != by_key_.end()) {
    Lookup& lookup = *found->second;
    list_.splice(list_.begin(), list_, found->second);
    if (lookup.good || now - lookup.last_ns > kRetryWithin) {
      lookup.good = false;
      lookup.began_ns = now;
      ++result_.all;
    }
    lookup.last_ns = now;
    return;
  }
  if (list_.size() >= kMaxLookups) {
    by_key_.erase(list_.back().key);
    list_.pop_back();
  }
  list_.push_front({std::move(key), now, now, false});
  by_key_.emplace(list_.front().key, list_.begin());
  ++result_.all;
}

void Lookups::on_good(const Endpoint& client, const Query& query, std::int64_t now_ns) {
  const std::string key = key_of(client, query);
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key);
  if (found == by_key_.end() || found->second->good) return;
  found->second->good = true;
  const std::int64_t took = now_ns - found->second->began_ns;
  for (std::size_t i = 0; i < within_.size(); ++i) {
    if (took <= within_[i]) ++result_.good[i];
  }
}

Lookups::Result Lookups::result() const {
  const std::lock_guard lock(mutex_);
  return result_;
}

}  // namespace clusterdns::dns
