// Where the objects of one kind go.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>

#include "registry/kubernetes/api_object.h"
#include "registry/store.h"

namespace clusterdns::registry::kubernetes {

// Octets that the objects of one source may take together, as kept_octets() counts. Fifty times
// what a cluster of 100,000 endpoints and as many pods takes; what goes beyond is left out.
inline constexpr std::size_t kMaxKeptOctets = std::size_t{512} * 1024 * 1024;

// How much of that is taken.
class KeptRoom {
 public:
  // `on_full` is called once.
  KeptRoom(std::size_t limit, std::function<void()> on_full)
      : limit_(limit), on_full_(std::move(on_full)) {}

  // Counts `after` octets in place of `before`. False: there is no room for that. What becomes
  // smaller always may.
  [[nodiscard]] bool exchange(std::size_t before, std::size_t after);
  void set(std::size_t octets) noexcept { taken_ = octets; }

 private:
  std::size_t limit_;
  std::function<void()> on_full_;
  std::size_t taken_ = 0;
};

// NoRoom: the object is left out, for those that are kept take all the memory they may.
enum class Kept : std::uint8_t { None, Added, Changed, Removed, NoRoom };

// Puts what the API says of one kind into a store. Does not commit.
class Keeper {
 public:
  Keeper() = default;
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;
  virtual ~Keeper() = default;

  // REQUIRES: the object's body is one of the kind.
  virtual Kept upsert(ApiObject object) = 0;
  virtual Kept erase(const ObjectKey& key) = 0;
  [[nodiscard]] virtual bool has(const ObjectKey& key) const = 0;
  [[nodiscard]] virtual bool any() const = 0;
  virtual void for_each_key(const std::function<void(const ObjectKey&)>& visit) const = 0;
};

// Stores and `room` outlive keepers. `imports` takes what other clusters of a cluster set export;
// it may be null.
[[nodiscard]] std::unique_ptr<Keeper> keep_services(Store& store, KeptRoom& room);
// `on_change` is told of each slice that changed, and when what caused that happened, as far as
// somebody said so.
[[nodiscard]] std::unique_ptr<Keeper> keep_slices(
    Store& store, Store* imports, KeptRoom& room,
    std::function<void(const ObjectKey& service, const std::string& trigger_time)> on_change);
[[nodiscard]] std::unique_ptr<Keeper> keep_namespaces(Store& store, Store* imports, KeptRoom& room);
[[nodiscard]] std::unique_ptr<Keeper> keep_pods(Store& store, KeptRoom& room);
// Of one of gateway_rows(), into Store::gateways().
[[nodiscard]] std::unique_ptr<Keeper> keep_gateways(gateways::Kind kind, Store& store,
                                                    KeptRoom& room);
// Of any other kind that has a row.
[[nodiscard]] std::unique_ptr<Keeper> keep_objects(const Kind& kind, Store& store, KeptRoom& room);

// What all objects of a store take.
[[nodiscard]] std::size_t kept_octets_of(const Store& store);

}  // namespace clusterdns::registry::kubernetes
