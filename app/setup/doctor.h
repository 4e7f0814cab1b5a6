// What keeps this machine from asking the server for the cluster's names, as far as its files tell.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "app/setup/changes.h"

namespace clusterdns::app {

struct DoctorCheck {
  // server, port, hosts-file, nameserver, nsswitch, mdns, vpn, doh, answer
  std::string code;
  bool ok = true;
  std::string severity =
      "info";  // of one that is not ok: "error", or "warning" for what may be fine
  std::string text;
  std::string fix;  // a command that mends it; empty: there is nothing to mend
};

// What the files are judged by.
struct DoctorFacts {
  const Tree& tree;
  const SetupRecord* record = nullptr;  // of a setup that is done; nullptr: there is none
  HostPort server;
  std::vector<std::string> domains;  // what should be routed
  // What the server answers for a name; nullopt: it is not known.
  std::function<std::optional<std::vector<registry::IpAddress>>(const std::string& name)> addresses;
};

[[nodiscard]] std::vector<DoctorCheck> check_hosts_file(const DoctorFacts& facts);
[[nodiscard]] std::vector<DoctorCheck> check_nameserver(const DoctorFacts& facts);
[[nodiscard]] std::vector<DoctorCheck> check_nsswitch(const DoctorFacts& facts);
[[nodiscard]] std::vector<DoctorCheck> check_mdns(const DoctorFacts& facts);
// `works`: names are answered as they should be.
[[nodiscard]] std::vector<DoctorCheck> check_vpn(const DoctorFacts& facts, bool works);
[[nodiscard]] std::vector<DoctorCheck> check_doh(const DoctorFacts& facts);

// `word` for a shell, whatever is in it.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace clusterdns::app
