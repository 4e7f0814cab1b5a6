#include "app/commands/doctor.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ostream>

#include <fmt/format.h>

#include "app/base/json.h"
#include "app/commands/console_facts.h"
#include "app/setup/doctor.h"
#include "dns/client/stub_resolver.h"
#include "dns/net/interfaces.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

using Addresses = std::vector<registry::IpAddress>;

constexpr std::chrono::seconds kServerTimeout{2};

// What the server says of a name, and whether it says anything.
struct Served {
  dns::StubStatus status = dns::StubStatus::NoServer;
  std::string error;  // with NoServer
  Addresses addresses;
};

Served ask(const HostPort& server, const std::string& name, std::span<const dns::RRType> types) {
  dns::StubOptions options;
  options.servers = {{boost::asio::ip::make_address(server.address.to_string()), server.port}};
  options.timeout = kServerTimeout;
  Served served;
  const auto wire = dns::Name::from_text(name);
  if (!wire) return served;
  const dns::StubLookup lookup = dns::stub_lookup(options, *wire, true, types);
  served.status = lookup.status;
  if (!lookup.tries.empty()) {
    const auto& last = lookup.tries.back();
    served.error = last.error ? last.error.message() : "no answer within 2 s";
  }
  for (const dns::Message& message : lookup.answers) {
    for (const dns::Record& record : message.answer) {
      if (record.type != dns::RRType::A && record.type != dns::RRType::AAAA) continue;
      if (const auto address =
              registry::IpAddress::parse(dns::rdata_to_text(record.type, record.rdata))) {
        served.addresses.push_back(*address);
      }
    }
  }
  return served;
}

Served ask_addresses(const HostPort& server, const std::string& name) {
  constexpr std::array<dns::RRType, 2> kTypes = {dns::RRType::A, dns::RRType::AAAA};
  return ask(server, name, kTypes);
}

void add(Addresses& to, std::string_view text) {
  const auto address = registry::IpAddress::parse(text);
  if (address && std::find(to.begin(), to.end(), *address) == to.end()) to.push_back(*address);
}

// What programs of this machine get. `getent` asks getaddrinfo() of the system's own library, which
// may be another one than this program was linked with, and knows its modules.
Addresses resolve(const std::string& name, bool as_configured) {
  Addresses found;
  constexpr const char* kGetent = "/usr/bin/getent";
  if (::access(kGetent, X_OK) == 0) {
    // The name is letters, digits, dots and dashes.
    const std::string command = "RES_OPTIONS='timeout:2 attempts:2' " + std::string(kGetent) +
                                (as_configured ? " ahosts " : " hosts ") + shell_word(name) +
                                " 2>/dev/null";
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(command.c_str(), "re"), ::pclose);
    std::array<char, 1024> line;
    while (pipe != nullptr && std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
      const std::string_view text(line.data());
      add(found, text.substr(0, text.find_first_of(" \t\n")));
    }
    return found;
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = as_configured ? AI_ADDRCONFIG : 0;
  addrinfo* all = nullptr;
  if (::getaddrinfo(name.c_str(), nullptr, &hints, &all) != 0) return found;
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(all, ::freeaddrinfo);
  for (const addrinfo* each = all; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text;
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      add(found, text.data());
    }
  }
  return found;
}

std::string listed(const Addresses& addresses) {
  std::string text;
  for (const auto& address : addresses) text += (text.empty() ? "" : ", ") + address.to_string();
  return text.empty() ? "nothing" : text;
}

bool has_only_loopback() {
  const auto all = dns::interface_addresses();
  return std::none_of(all.begin(), all.end(), [](const dns::InterfaceAddress& each) {
    return !each.address.is_loopback() &&
           !(each.address.is_v6() && each.address.to_v6().is_link_local());
  });
}

DoctorCheck check_server(const HostPort& server, const Served& served) {
  const std::string at = server.to_string();
  if (served.status != dns::StubStatus::NoServer)
    return {"server", true, "info", at + " answers", ""};
  return {"server", false, "error", "nobody answers at " + at + ": " + served.error,
          "clusterdns serve --manifests PATH --listen " + at};
}

DoctorCheck check_port(const DoctorFacts& facts, const ConsoleFacts* console,
                       const std::optional<HostPort>& listener) {
  const std::string at = facts.server.to_string();
  if (console != nullptr && listener) {
    const bool listens = std::any_of(
        console->listeners.begin(), console->listeners.end(), [&](const HostPort& each) {
          const bool all = each.address.octets == std::array<std::uint8_t, 16>{};
          return each.port == facts.server.port && (all || each.address == facts.server.address);
        });
    if (!listens) {
      return {"port", false, "error",
              "the server does not listen on " + at + ": another one has the port, or nobody",
              "sudo clusterdns setup --server " + listener->to_string()};
    }
  }
  if (facts.record != nullptr && takes_all(facts.record->backend) &&
      facts.server.port != kDnsPort) {
    const HostPort standard{facts.server.address, kDnsPort};
    const std::string name = facts.domains.empty() ? "." : facts.domains.front();
    if (ask_addresses(standard, name).status == dns::StubStatus::NoServer) {
      return {"port", false, "error",
              "resolv.conf knows no ports, and port 53 of " + facts.server.address.to_string() +
                  " does not lead to " + at,
              "sudo nft -f /var/lib/clusterdns/redirect.nft"};
    }
  }
  return {"port", true, "info", "no other server is in the way of " + at, ""};
}

DoctorCheck check_answer(const DoctorFacts& facts, const std::string& name, const Served& served) {
  const auto bad = [](std::string severity, std::string text, std::string fix) {
    return DoctorCheck{"answer", false, std::move(severity), std::move(text), std::move(fix)};
  };
  if (name.empty()) {
    return bad("warning", "there is no name to try", "clusterdns doctor NAME");
  }
  if (served.status == dns::StubStatus::NoServer) {
    return bad("error", name + " is not tried: the server does not answer",
               "clusterdns serve --manifests PATH --listen " + facts.server.to_string());
  }
  if (served.addresses.empty()) {
    return bad("warning", "the server has no address of " + name,
               "clusterdns explain " + name + " --manifests PATH");
  }
  const auto is_served = [&](const registry::IpAddress& address) {
    return std::find(served.addresses.begin(), served.addresses.end(), address) !=
           served.addresses.end();
  };
  const Addresses programs = resolve(name, true);
  if (std::any_of(programs.begin(), programs.end(), is_served)) {
    return {"answer", true, "info", name + " is " + listed(programs) + " for programs, too", ""};
  }
  if (programs.empty() && has_only_loopback()) {
    const Addresses all = resolve(name, false);
    if (std::any_of(all.begin(), all.end(), is_served)) {
      return bad("error",
                 name + " is " + listed(all) +
                     ", but this machine has no address beside loopback, and programs that look "
                     "for addresses of its kind (AI_ADDRCONFIG) find none",
                 "sudo clusterdns node-address 169.254.53.54");
    }
  }
  return bad("error",
             fmt::format("{} is {} for programs, and {} for the server", name, listed(programs),
                         listed(served.addresses)),
             "sudo clusterdns setup --server " + facts.server.to_string());
}

void print(const std::vector<DoctorCheck>& checks, OutputFormat format, std::ostream& out) {
  if (format == OutputFormat::Json) {
    boost::json::array array;
    for (const DoctorCheck& check : checks) {
      array.emplace_back(boost::json::object{{"code", json_text(check.code)},
                                             {"ok", check.ok},
                                             {"severity", json_text(check.severity)},
                                             {"text", json_text(check.text)},
                                             {"fix", json_text_or_null(check.fix)}});
    }
    out << json_page(boost::json::object{{"checks", std::move(array)}});
    return;
  }
  for (const DoctorCheck& check : checks) {
    out << fmt::format("{:<8} {:<11} {}\n", check.ok ? "ok" : check.severity, check.code,
                       check.text);
    if (!check.fix.empty()) out << fmt::format("{:<21}{}\n", "", check.fix);
  }
}

}  // namespace

int run_doctor(const DoctorOptions& options, std::ostream& out, std::ostream& err) {
  try {
    const Tree tree(options.root);
    std::optional<SetupRecord> record = load_record(tree);
    const bool cut_short = record && record->state != SetupRecord::State::Done;
    if (cut_short) record.reset();

    std::optional<ConsoleFacts> console;
    if (tree.is_machine() || options.console_named) {
      try {
        console = ask_console(options.console);
      } catch (const std::exception&) {
        if (options.console_named) throw;
      }
    }
    DoctorFacts facts{tree, nullptr, {}, {}, {}};
    if (record) facts.record = &*record;
    std::optional<HostPort> listener;
    if (console) {
      listener = listener_of(*console, options.console, record && takes_all(record->backend));
    }
    const HostPort usual{registry::IpAddress{{127, 0, 0, 1}}, kServePort};
    facts.server = options.server ? *options.server
                   : record       ? record->server
                                  : listener.value_or(usual);
    if (record) facts.domains = record->domains;
    if (console) {
      for (const RoutedDomain& domain : console->domains.take()) {
        if (std::find(facts.domains.begin(), facts.domains.end(), domain.name) ==
            facts.domains.end()) {
          facts.domains.push_back(domain.name);
        }
      }
    }
    std::string name = options.name;
    if (name.empty() && console) name = console->host;
    if (name.empty() && console && !console->zones.empty()) {
      name = "kubernetes.default.svc." + console->zones.front();
    }

    std::vector<DoctorCheck> checks;
    const auto take = [&](std::vector<DoctorCheck> more) {
      checks.insert(checks.end(), more.begin(), more.end());
      return std::all_of(more.begin(), more.end(), [](const DoctorCheck& each) { return each.ok; });
    };
    const bool live = tree.is_machine();
    Served served;
    bool works = true;
    if (live) {
      served = ask_addresses(facts.server, name.empty() ? "." : name);
      take({check_server(facts.server, served)});
      take({check_port(facts, console ? &*console : nullptr, listener)});
      if (served.status != dns::StubStatus::NoServer) {
        facts.addresses = [&facts](const std::string& host) -> std::optional<Addresses> {
          return ask_addresses(facts.server, host).addresses;
        };
      }
    }
    take(check_hosts_file(facts));
    if (cut_short) {
      works = take({{"nameserver", false, "error", "a setup was cut short",
                     "sudo clusterdns unsetup && sudo clusterdns setup"}});
    } else {
      works = take(check_nameserver(facts));
    }
    take(check_nsswitch(facts));
    take(check_mdns(facts));
    DoctorCheck answer;
    if (live) {
      answer = check_answer(facts, name, served);
      works = works && answer.ok;
    }
    take(check_vpn(facts, works));
    take(check_doh(facts));
    if (live) take({answer});
    print(checks, options.format, out);
    return std::all_of(checks.begin(), checks.end(),
                       [](const DoctorCheck& each) { return each.ok; })
               ? 0
               : 1;
  } catch (const std::exception& e) {
    err << "clusterdns doctor: " << registry::printable(e.what(), "\n") << "\n";
    return 1;
  }
}

}  // namespace clusterdns::app
