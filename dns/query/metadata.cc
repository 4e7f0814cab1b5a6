#include "dns/query/metadata.h"

#include "dns/query/stage.h"

namespace clusterdns::dns {

std::string metadata_value(const Exchange& exchange, std::string_view label,
                           const MetadataSource* source) {
  // One that is asked for another has a request of our own making.
  const MetadataQuery of{
      exchange.query, exchange.client, exchange.received_ns,
      exchange.worker == nullptr ? MetadataQuery::kNoWorker : exchange.worker->index,
      !exchange.owns() && exchange.depth == 0};
  if (source != nullptr) return source->value(label, of);
  if (exchange.route == nullptr) return {};
  for (const auto& stage : exchange.route->stages) {
    const auto* const each = dynamic_cast<const MetadataSource*>(stage.get());
    if (each == nullptr) continue;
    std::string value = each->value(label, of);
    if (!value.empty()) return value;
  }
  return {};
}

}  // namespace clusterdns::dns
