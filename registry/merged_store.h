// Two stores shown as one.
#pragma once

#include "registry/store.h"

namespace clusterdns::registry {

// Keeps `merged` equal to what `upper` and `lower` hold together. Where both have an object of one
// kind and name, the upper one counts: a service with all its slices, never a mixture.
// Lives on the stores' thread; the stores outlive it, and nobody else writes to `merged`.
class MergedStore {
 public:
  MergedStore(Store& upper, Store& lower, Store& merged);

 private:
  class Part final : public StoreObserver {
   public:
    Part(MergedStore& owner, Store& store) : owner_(owner), store_(store) {
      store_.add_observer(this);
    }
    ~Part() override { store_.remove_observer(this); }
    void on_commit(const Changes& changes) override { owner_.take(changes); }

   private:
    MergedStore& owner_;
    Store& store_;
  };

  void take(const StoreObserver::Changes& changes);
  void merge_service(const ObjectKey& key);
  void merge_namespace(const std::string& name);
  void merge(const Kind& kind, const ObjectKey& key);
  void merge_gateways();

  Store& upper_;
  Store& lower_;
  Store& merged_;
  Part upper_part_, lower_part_;
};

}  // namespace clusterdns::registry
