// What /metrics shows of stages: CoreDNS's series of its cache, hosts and forward plugins.
#pragma once

#include <memory>
#include <string>

#include "app/admin/metrics.h"
#include "dns/cache/answer_cache.h"
#include "dns/forward/forward_stage.h"
#include "dns/hosts/hosts_stage.h"

namespace clusterdns::app {

// `server` is the label of that name, "dns://:53"; `zones` the cache's, separated by commas.
[[nodiscard]] Metrics::Collector cache_metrics(std::shared_ptr<dns::AnswerCache> cache,
                                               std::string server, std::string zones);
[[nodiscard]] Metrics::Collector hosts_metrics(std::shared_ptr<dns::HostsStage> stage,
                                               std::string path);
// Also the series that CoreDNS had before 1.11, which dashboards still read.
[[nodiscard]] Metrics::Collector forward_metrics(std::shared_ptr<dns::ForwardStage> stage);

}  // namespace clusterdns::app
