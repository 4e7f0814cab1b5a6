#include "registry/kubernetes/status.h"

namespace clusterdns::registry::kubernetes {

RequestHistogram make_request_histogram() noexcept {
  RequestHistogram h;
  h.bounds = {.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10};
  return h;
}

ProgrammingHistogram make_programming_histogram() noexcept {
  ProgrammingHistogram h;
  double bound = 0.001;
  for (double& b : h.bounds) {
    b = bound;
    bound *= 2;
  }
  return h;
}

}  // namespace clusterdns::registry::kubernetes
