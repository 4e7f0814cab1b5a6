// Metrics of the source of the Kubernetes API.
#pragma once

#include "app/admin/exposition.h"
#include "registry/kubernetes/status.h"

namespace clusterdns::app {

// CoreDNS's series under its names, and ours.
void collect_kubernetes(const registry::kubernetes::KubernetesStatus& status, Exposition& out);

}  // namespace clusterdns::app
