#include "dns/query/table_guard.h"

#include "dns/concurrent/reclaim.h"

namespace clusterdns::dns {

TableGuard::TableGuard(const WorkerContext& worker) noexcept : index_(worker.index) {
  if (worker.reclaim == nullptr || worker.reclaim->inside(worker.index)) return;
  entered_ = worker.reclaim;
  entered_->enter(index_);
}

TableGuard::~TableGuard() {
  if (entered_ != nullptr) entered_->leave(index_);
}

}  // namespace clusterdns::dns
