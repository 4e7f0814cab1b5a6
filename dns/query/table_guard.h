// Keeps the tables behind LocalData while somebody looks names up outside a batch.
#pragma once

#include "dns/query/stage.h"

namespace clusterdns::dns {

// Keeps the tables behind LocalData from being freed during a look-up outside a batch; inside one
// it does nothing. What was found must be encoded before it ends.
class TableGuard {
 public:
  explicit TableGuard(const WorkerContext& worker) noexcept;
  TableGuard(const TableGuard&) = delete;
  TableGuard& operator=(const TableGuard&) = delete;
  ~TableGuard();

 private:
  ReclaimDomain* entered_ = nullptr;
  unsigned index_ = 0;
};

}  // namespace clusterdns::dns
