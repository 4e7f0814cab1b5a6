#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

#include "app/admin/metrics.h"

namespace clusterdns::app {
namespace {

// Fields of /proc/self/stat, proc(5) counts from 1.
constexpr int kUserTime = 14, kSystemTime = 15, kStartTime = 22, kVirtualSize = 23, kResident = 24;

// When the machine started, in seconds since 1970.
double boot_time() {
  std::ifstream in("/proc/stat");
  std::string word;
  while (in >> word) {
    double seconds = 0;
    if (word == "btime" && in >> seconds) return seconds;
  }
  return 0;
}

double open_descriptors() {
  DIR* const folder = ::opendir("/proc/self/fd");
  if (folder == nullptr) return 0;
  double n = -1;  // the folder's own
  while (const dirent* entry = ::readdir(folder)) {
    if (entry->d_name[0] != '.') ++n;
  }
  ::closedir(folder);
  return n;
}

double limit_of(__rlimit_resource_t resource) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return 0;
  // What client_golang shows for "unlimited".
  return limit.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0
                                         : static_cast<double>(limit.rlim_cur);
}

// Octets that the network namespace received and sent, IPv4: what client_golang shows as the
// process's.
void collect_network(Exposition& out) {
  std::ifstream in("/proc/self/net/netstat");
  std::string names;
  std::string values;
  while (std::getline(in, names) && std::getline(in, values)) {
    if (!names.starts_with("IpExt:")) continue;
    std::istringstream name_words(names);
    std::istringstream value_words(values);
    std::string name;
    std::string value;
    while (name_words >> name && value_words >> value) {
      if (name == "InOctets") {
        out.counter("process_network_receive_bytes_total",
                    "Number of bytes received by the process over the network.", {},
                    std::strtod(value.c_str(), nullptr));
      } else if (name == "OutOctets") {
        out.counter("process_network_transmit_bytes_total",
                    "Number of bytes sent by the process over the network.", {},
                    std::strtod(value.c_str(), nullptr));
      }
    }
  }
}

}  // namespace

void collect_process(Exposition& out) {
  std::ifstream in("/proc/self/stat");
  std::string line;
  if (!std::getline(in, line)) return;
  // The program's name, in parentheses, may hold anything.
  const std::size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return;
  std::istringstream rest(line.substr(name_end + 1));
  double fields[kResident + 1] = {};
  std::string state;
  rest >> state;
  for (int i = 4; i <= kResident; ++i) rest >> fields[i];
  const auto ticks = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  static const double booted = boot_time();
  out.counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.", {},
              (fields[kUserTime] + fields[kSystemTime]) / ticks);
  collect_network(out);
  out.gauge("process_max_fds", "Maximum number of open file descriptors.", {},
            limit_of(RLIMIT_NOFILE));
  out.gauge("process_open_fds", "Number of open file descriptors.", {}, open_descriptors());
  out.gauge("process_resident_memory_bytes", "Resident memory size in bytes.", {},
            fields[kResident] * page);
  out.gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
            {}, booted + fields[kStartTime] / ticks);
  out.gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", {},
            fields[kVirtualSize]);
  out.gauge("process_virtual_memory_max_bytes",
            "Maximum amount of virtual memory available in bytes.", {}, limit_of(RLIMIT_AS));
}

}  // namespace clusterdns::app
