// Items that belong to clients, in an order that says who has to give when there is no room: the
// client that has most of them, and of its own the one that was idle longest.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>
#include <vector>

#include "dns/net/client_key.h"

namespace clusterdns::dns {

// One thread's. Every call but for_each() takes constant time; memory follows the number of items.
template <class T>
class FairList {
  struct Client;
  using Clients = std::list<Client>;
  using Items = std::list<T>;

 public:
  // Of an item, until it is erased.
  class Place {
    friend class FairList;
    typename Clients::iterator client_;
    typename Items::iterator item_;
  };

  FairList() = default;
  FairList(const FairList&) = delete;
  FairList& operator=(const FairList&) = delete;

  // May throw std::bad_alloc; nothing has changed then.
  Place insert(const ClientKey& key, T item) {
    Items fresh;
    fresh.push_back(std::move(item));
    auto it = clients_.find(key);
    if (it == clients_.end()) {
      Clients alone;
      alone.emplace_back().key = key;
      if (by_count_.empty()) by_count_.resize(1);
      it = clients_.emplace(key, alone.begin()).first;
      by_count_[0].splice(by_count_[0].end(), alone);
    }
    const auto client = it->second;
    const std::size_t count = client->items.size();
    if (by_count_.size() == count + 1) {
      try {
        by_count_.resize(count + 2);
      } catch (...) {
        if (count == 0) forget(client);
        throw;
      }
    }
    Place place;
    place.client_ = client;
    place.item_ = fresh.begin();
    client->items.splice(client->items.end(), fresh);
    by_count_[count + 1].splice(by_count_[count + 1].end(), by_count_[count], client);
    if (most_ < count + 1) most_ = count + 1;
    ++size_;
    return place;
  }

  // The item is destroyed.
  void erase(const Place& place) noexcept {
    const auto client = place.client_;
    const std::size_t count = client->items.size();
    Items gone;  // destroyed when all is in order again
    gone.splice(gone.end(), client->items, place.item_);
    --size_;
    by_count_[count - 1].splice(by_count_[count - 1].end(), by_count_[count], client);
    if (by_count_[count].empty() && most_ == count) most_ = count - 1;
    if (count == 1) forget(client);
  }

  // The item was active just now.
  void touch(const Place& place) noexcept {
    const auto client = place.client_;
    client->items.splice(client->items.end(), client->items, place.item_);
    auto& equals = by_count_[client->items.size()];
    equals.splice(equals.end(), equals, client);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  // What the client that has most of them has, and what `key` has.
  [[nodiscard]] std::size_t most() const noexcept { return most_; }
  [[nodiscard]] std::size_t count(const ClientKey& key) const noexcept {
    const auto it = clients_.find(key);
    return it == clients_.end() ? 0 : it->second->items.size();
  }
  // Clients that have any.
  [[nodiscard]] std::size_t clients() const noexcept { return clients_.size(); }

  // Who gives: of the client with most items (of several: of the one that was idle longest) the
  // first item that `may_give` allows, least recently active first. Looks at kLooked items; when
  // none of them may, the first of all gives. nullptr when the list is empty.
  template <class MayGive>
  [[nodiscard]] T* victim(MayGive may_give) {
    if (size_ == 0) return nullptr;
    Items& items = by_count_[most_].front().items;
    unsigned looked = 0;
    for (auto it = items.begin(); it != items.end() && looked < kLooked; ++it, ++looked) {
      if (may_give(*it)) return &*it;
    }
    return &items.front();
  }

  // Calls `visit` for every item, one client's after the other's. It may erase the item it is
  // given, and no other.
  template <class Visit>
  void for_each(Visit visit) {
    for (auto it = clients_.begin(); it != clients_.end();) {
      Items& items = it->second->items;
      ++it;
      std::size_t left = items.size();
      for (auto item = items.begin(); left != 0; --left) {
        T& here = *item;
        if (left > 1) ++item;
        visit(here);  // after the last one the client may be gone
      }
    }
  }

 private:
  static constexpr unsigned kLooked = 16;

  struct Client {
    ClientKey key;
    Items items;  // least recently active first
  };

  void forget(typename Clients::iterator client) noexcept {
    clients_.erase(client->key);
    by_count_[0].erase(client);
  }

  std::unordered_map<ClientKey, typename Clients::iterator> clients_;
  std::vector<Clients> by_count_;  // clients with so many items, least recently active first
  std::size_t most_ = 0;
  std::size_t size_ = 0;
};

}  // namespace clusterdns::dns
