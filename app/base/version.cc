#include "app/base/version.h"

namespace clusterdns::app {
namespace {

constexpr const char* kArchitecture =
#if defined(__x86_64__)
    "amd64";
#elif defined(__aarch64__)
    "arm64";
#else
    "other";
#endif

}  // namespace

std::string_view version_number() { return CLUSTERDNS_VERSION; }

std::string version_lines() {
  return std::string("clusterdns-" CLUSTERDNS_VERSION "\nlinux/") + kArchitecture + ", C++ " +
         __VERSION__ + "\n";
}

}  // namespace clusterdns::app
