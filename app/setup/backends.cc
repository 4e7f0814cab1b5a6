#include "app/setup/backends.h"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

#include "dns/net/resolv_conf.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kNetdevPath = "/etc/systemd/network/70-clusterdns.netdev";
constexpr std::string_view kNetworkPath = "/etc/systemd/network/70-clusterdns.network";
constexpr std::string_view kUnitPath = "/etc/systemd/system/clusterdns-names.service";
constexpr std::string_view kUnitLinkPath =
    "/etc/systemd/system/multi-user.target.wants/clusterdns-names.service";
constexpr std::string_view kManagerPath = "/etc/NetworkManager/conf.d/clusterdns.conf";
constexpr std::string_view kManagerDnsmasqPath = "/etc/NetworkManager/dnsmasq.d/clusterdns.conf";
constexpr std::string_view kDnsmasqPath = "/etc/dnsmasq.d/clusterdns.conf";
constexpr std::string_view kHeadPath = "/etc/resolvconf/resolv.conf.d/head";
constexpr std::string_view kRedirectPath = "/var/lib/clusterdns/redirect.nft";
constexpr std::string_view kResolverFolder = "/etc/resolver";
constexpr std::string_view kWindowsPath = "/clusterdns-setup.ps1";
constexpr std::string_view kWindowsUndoPath = "/clusterdns-unsetup.ps1";

constexpr std::string_view kWritten =
    "# Written by `clusterdns setup`; `clusterdns unsetup` undoes it.\n";

// systemd-resolved asks by no link that has no address of global scope. This one is of the
// link-local range (RFC 3927), alone on an interface that leads nowhere.
constexpr std::string_view kInterfaceAddress = "169.254.53.53/32";

constexpr std::uint16_t kPort53 = 53;

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

bool has_program(const Tree& tree, const std::string& name) {
  constexpr std::array<std::string_view, 4> kFolders = {"/usr/sbin/", "/usr/bin/", "/sbin/",
                                                        "/bin/"};
  return std::any_of(kFolders.begin(), kFolders.end(), [&](std::string_view folder) {
    return tree.is_there(std::string(folder) + name);
  });
}

// The value of `key` in the section of an INI file, the last one; empty: it is not there.
std::string_view ini_value(std::string_view text, std::string_view section, std::string_view key) {
  std::string_view in;
  std::string_view value;
  for (const std::string_view line : lines_of(text)) {
    const std::string_view words = trimmed(line);
    if (words.starts_with('[') && words.ends_with(']')) {
      in = words.substr(1, words.size() - 2);
      continue;
    }
    const std::size_t equals = words.find('=');
    if (in != section || equals == std::string_view::npos) continue;
    if (trimmed(words.substr(0, equals)) == key) value = trimmed(words.substr(equals + 1));
  }
  return value;
}

// What NetworkManager is told to do about DNS; files of conf.d come behind the main one.
std::string manager_dns(const TreeView& view) {
  constexpr std::string_view kMain = "/etc/NetworkManager/NetworkManager.conf";
  std::string value;
  const auto take = [&](const std::string& path) {
    const std::string text = view.read(path).text;
    if (const std::string_view found = ini_value(text, "main", "dns"); !found.empty()) {
      value = found;
    }
  };
  constexpr std::string_view kVendor = "/usr/lib/NetworkManager/conf.d/";
  constexpr std::string_view kOwn = "/etc/NetworkManager/conf.d/";
  for (const std::string_view folder : {kVendor, kOwn}) {
    if (folder == kOwn) take(std::string(kMain));
    for (const std::string& name : view.tree().list(folder)) {
      if (name.ends_with(".conf")) take(std::string(folder) + name);
    }
  }
  return value;
}

bool uses_networkd(const Tree& tree) {
  if (tree.is_machine()) return tree.is_there("/run/systemd/netif/state");
  constexpr std::string_view kWanted =
      "/etc/systemd/system/multi-user.target.wants/systemd-networkd.service";
  const TreeEntry wanted = tree.look(kWanted);
  return wanted.there() ||
         tree.look("/etc/systemd/system/dbus-org.freedesktop.network1.service").there();
}

bool is_stub_of_resolved(std::string_view address) {
  return address == "127.0.0.53" || address == "127.0.0.54";
}

std::string joined(const std::vector<RoutedDomain>& domains, std::string_view before) {
  std::string text;
  for (const RoutedDomain& domain : domains) {
    text += (text.empty() ? "" : " ") + std::string(before) + domain.name;
  }
  return text;
}

void plan_resolved(SetupPlan& plan, const TreeView& view) {
  const std::string server = plan.server.to_string();
  const std::string domains = joined(plan.domains, "~");
  if (uses_networkd(view.tree())) {
    plan.files.push_back({std::string(kNetdevPath), fmt::format("{}[NetDev]\nName={}\nKind=dummy\n",
                                                                kWritten, kSetupInterface)});
    plan.files.push_back(
        {std::string(kNetworkPath),
         fmt::format("{}[Match]\nName={}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\n"
                     "LinkLocalAddressing=no\nConfigureWithoutCarrier=yes\n"
                     "DNS={}\nDomains={}\nDNSDefaultRoute=no\n"
                     "DNSSEC=no\nDNSOverTLS=no\nLLMNR=no\nMulticastDNS=no\n\n"
                     // Nobody else is there who could have it, and looking takes seconds.
                     "[Address]\nAddress={}\nScope=global\nDuplicateAddressDetection=none\n",
                     kWritten, kSetupInterface, server, domains, kInterfaceAddress)});
    return;
  }
  plan.files.push_back(
      {std::string(kUnitPath),
       fmt::format("{0}[Unit]\nDescription=The names that clusterdns is asked for\n"
                   "Wants=systemd-resolved.service\nAfter=systemd-resolved.service\n"
                   "PartOf=systemd-resolved.service\n\n[Service]\nType=oneshot\n"
                   "RemainAfterExit=yes\n"
                   "ExecStart=-ip link add {1} type dummy\n"
                   "ExecStart=ip address replace {2} dev {1} scope global\n"
                   "ExecStart=ip link set {1} up\n"
                   "ExecStart=resolvectl dns {1} {3}\n"
                   "ExecStart=resolvectl domain {1} {4}\n"
                   "ExecStart=resolvectl default-route {1} no\n"
                   "ExecStart=resolvectl dnssec {1} no\n"
                   "ExecStart=resolvectl dnsovertls {1} no\n"
                   "ExecStart=resolvectl llmnr {1} no\n"
                   "ExecStart=resolvectl mdns {1} no\n"
                   "ExecStop=-ip link delete {1}\n\n[Install]\nWantedBy=multi-user.target\n",
                   kWritten, kSetupInterface, kInterfaceAddress, server, domains)});
  plan.files.push_back({std::string(kUnitLinkPath), std::string(kUnitPath), true});
}

std::string dnsmasq_lines(const SetupPlan& plan) {
  std::string text(kWritten);
  for (const RoutedDomain& domain : plan.domains) {
    text += fmt::format("server=/{0}/{1}#{2}\nrebind-domain-ok=/{0}/\n", domain.name,
                        plan.server.address.to_string(), plan.server.port);
  }
  return text;
}

void plan_manager(SetupPlan& plan, const TreeView& view) {
  if (manager_dns(view) != "dnsmasq") {
    plan.files.push_back(
        {std::string(kManagerPath), std::string(kWritten) + "[main]\ndns=dnsmasq\n"});
    if (!has_program(view.tree(), "dnsmasq")) {
      plan.notes.push_back("NetworkManager needs dnsmasq for this: apt install dnsmasq-base");
    }
  }
  plan.files.push_back({std::string(kManagerDnsmasqPath), dnsmasq_lines(plan)});
}

void plan_dnsmasq(SetupPlan& plan, const TreeView& view) {
  plan.files.push_back({std::string(kDnsmasqPath), dnsmasq_lines(plan)});
  // Debian names the folder on dnsmasq's command line.
  const std::string main = view.read("/etc/dnsmasq.conf").text;
  const std::string defaults = view.read("/etc/default/dnsmasq").text;
  const auto names = [](const std::string& text, std::string_view beginning) {
    const auto lines = lines_of(text);
    return std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
      return trimmed(line).starts_with(beginning) &&
             line.find("/etc/dnsmasq.d") != std::string_view::npos;
    });
  };
  if (!names(main, "conf-dir=") && !names(defaults, "CONFIG_DIR=")) {
    plan.notes.push_back(
        "dnsmasq reads /etc/dnsmasq.d only when it is told to: /etc/dnsmasq.conf needs the line "
        "conf-dir=/etc/dnsmasq.d");
  }
}

void note_takes_all(SetupPlan& plan) {
  plan.notes.push_back(
      "resolv.conf knows no zones: every name is asked of " + plan.server.to_string() +
      " first, which has to forward what is not the cluster's. `clusterdns serve` forwards to the "
      "nameservers that stand behind it there");
}

// resolv.conf knows no ports.
void plan_redirect(SetupPlan& plan, const TreeView& view) {
  if (plan.server.port == kPort53) return;
  const std::string address = plan.server.address.to_string();
  const std::string_view family = plan.server.address.is_v4() ? "ip" : "ip6";
  std::string text = fmt::format(
      "{0}table {1} clusterdns\ndelete table {1} clusterdns\ntable {1} clusterdns {{\n"
      "  chain output {{\n    type nat hook output priority -100; policy accept;\n",
      kWritten, family);
  for (const char* const transport : {"udp", "tcp"}) {
    text += fmt::format("    {} daddr {} {} dport 53 dnat to {}\n", family, address, transport,
                        plan.server.to_string());
  }
  plan.files.push_back({std::string(kRedirectPath), text + "  }\n}\n"});
  plan.notes.push_back(fmt::format(
      "resolv.conf knows no ports: port 53 of {} is redirected to {} with nftables, until the "
      "machine restarts. A server that listens on port 53 itself needs no redirect",
      address, plan.server.port));
  if (!has_program(view.tree(), "nft")) {
    plan.notes.push_back("the redirect needs nft, which is not there: apt install nftables");
  }
}

void plan_resolv_conf(SetupPlan& plan, const TreeView& view) {
  const TreeEntry now = view.read(kResolvConfPath);
  const std::string address = plan.server.address.to_string();
  const auto parsed = dns::parse_resolv_conf(now.text, std::string(kResolvConfPath));
  plan.files.push_back({std::string(kResolvConfPath), with_first_nameserver(now.text, address)});
  note_takes_all(plan);
  if (parsed.nameservers.empty()) {
    plan.notes.push_back("there is no other nameserver in " + std::string(kResolvConfPath));
  }
  if (parsed.nameservers.size() >= dns::kMaxStubNameservers) {
    plan.notes.push_back(
        "programs ask the first three nameservers only: the last one is not asked");
  }
  if (parsed.rotate) {
    plan.notes.push_back(
        "`options rotate` has programs ask the other nameservers first now and then: remove it");
  }
  if (now.text.find("Generated by") != std::string::npos ||
      view.look(kResolvConfPath).kind == TreeEntry::Kind::Link) {
    plan.notes.push_back(std::string(kResolvConfPath) +
                         " is made by another program, which will write it again");
  }
  plan_redirect(plan, view);
}

void plan_resolvconf(SetupPlan& plan, const TreeView& view) {
  std::string text = view.read(kHeadPath).text;
  if (!text.empty() && !text.ends_with('\n')) text += '\n';
  text += std::string(kWritten) + "nameserver " + plan.server.address.to_string() + "\n";
  plan.files.push_back({std::string(kHeadPath), text});
  note_takes_all(plan);
  plan_redirect(plan, view);
}

void plan_macos(SetupPlan& plan) {
  for (const RoutedDomain& domain : plan.domains) {
    plan.files.push_back({std::string(kResolverFolder) + "/" + domain.name,
                          fmt::format("{}nameserver {}\nport {}\n", kWritten,
                                      plan.server.address.to_string(), plan.server.port)});
  }
}

void plan_windows(SetupPlan& plan) {
  std::string names;
  for (const RoutedDomain& domain : plan.domains) {
    // A dot in front: what is below the name.
    for (const char* const dot : {"", "."}) {
      if (domain.alone && *dot != '\0') continue;
      names += fmt::format("{}'{}{}'", names.empty() ? "" : ", ", dot, domain.name);
    }
  }
  plan.files.push_back(
      {std::string(kWindowsPath),
       fmt::format("{}# In a PowerShell of an administrator.\n"
                   "Add-DnsClientNrptRule -Namespace {} -NameServers '{}' -Comment 'clusterdns'\n"
                   "Clear-DnsClientCache\n",
                   kWritten, names, plan.server.address.to_string())});
  plan.files.push_back(
      {std::string(kWindowsUndoPath),
       fmt::format("{}Get-DnsClientNrptRule | Where-Object Comment -eq 'clusterdns' | "
                   "Remove-DnsClientNrptRule -Force\nClear-DnsClientCache\n",
                   kWritten)});
  if (plan.server.port != kPort53) {
    plan.notes.push_back("rules of Windows know no ports: the server has to listen on port 53");
  }
}

}  // namespace

std::string_view name_of(Backend backend) noexcept {
  return kBackendNames[static_cast<std::size_t>(backend)];
}

std::optional<Backend> backend_of(std::string_view name) noexcept {
  const auto at = std::find(kBackendNames.begin(), kBackendNames.end(), name);
  if (at == kBackendNames.end()) return std::nullopt;
  return static_cast<Backend>(at - kBackendNames.begin());
}

TreeEntry TreeView::look(std::string_view path) const {
  const TreeEntry* const was = before(path);
  return was != nullptr ? *was : tree_->look(path);
}

TreeEntry TreeView::read(std::string_view path) const {
  const TreeEntry* const was = before(path);
  if (was == nullptr) return tree_->look(path, Tree::Links::Follow);
  if (was->kind != TreeEntry::Kind::Link) return *was;
  const bool absolute = was->text.starts_with('/');
  const std::string folder(absolute ? "" : path.substr(0, path.rfind('/') + 1));
  return tree_->look(folder + was->text, Tree::Links::Follow);
}

Backend detect_backend(const TreeView& view) {
  const TreeEntry entry = view.look(kResolvConfPath);
  const std::string target = entry.kind == TreeEntry::Kind::Link ? entry.text : "";
  const TreeEntry content = view.read(kResolvConfPath);
  const auto parsed = dns::parse_resolv_conf(content.text, std::string(kResolvConfPath));
  std::string first;
  if (!parsed.nameservers.empty()) first = parsed.nameservers.front().to_string();
  if (is_stub_of_resolved(first) || target.find("systemd/resolve/") != std::string::npos) {
    return Backend::Resolved;
  }
  const Tree& tree = view.tree();
  const bool manager = tree.is_there("/etc/NetworkManager") && has_program(tree, "NetworkManager");
  if (manager && manager_dns(view) == "dnsmasq") return Backend::NetworkManager;
  const bool loopback = first == "127.0.0.1" || first == "::1";
  if (loopback && (tree.is_there("/etc/dnsmasq.conf") || tree.is_there("/etc/dnsmasq.d"))) {
    return Backend::Dnsmasq;
  }
  if (target.find("resolvconf/") != std::string::npos) return Backend::Resolvconf;
  const bool managers = target.find("NetworkManager/") != std::string::npos ||
                        content.text.find("Generated by NetworkManager") != std::string::npos;
  if (manager && managers && has_program(tree, "dnsmasq")) return Backend::NetworkManager;
  return Backend::ResolvConf;
}

std::string with_first_nameserver(const std::string& text, const std::string& address) {
  const std::string ours = std::string(kWritten) + "nameserver " + address + "\n";
  std::size_t at = 0;
  while (at < text.size()) {
    if (std::string_view(text).substr(at).starts_with("nameserver")) {
      return text.substr(0, at) + ours + text.substr(at);
    }
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) return text + "\n" + ours;
    at = end + 1;
  }
  return text + ours;
}

SystemCommands commands_for(Backend backend, const HostPort& server,
                            const std::vector<std::string>& paths) {
  const auto wrote = [&](std::string_view path) {
    return std::find(paths.begin(), paths.end(), path) != paths.end();
  };
  SystemCommands commands;
  switch (backend) {
    case Backend::Resolved:
      if (wrote(kNetworkPath)) {
        commands.apply = {{"networkctl", "reload"}};
        commands.after_undo = {{"networkctl", "reload"},
                               {"ip", "link", "delete", std::string(kSetupInterface)}};
      } else if (wrote(kUnitPath)) {
        commands.apply = {{"systemctl", "daemon-reload"},
                          {"systemctl", "restart", "clusterdns-names.service"}};
        commands.before_undo = {{"systemctl", "stop", "clusterdns-names.service"}};
        commands.after_undo = {{"systemctl", "daemon-reload"}};
      }
      break;
    case Backend::NetworkManager:
      if (wrote(kManagerDnsmasqPath)) {
        commands.apply = {{"nmcli", "general", "reload", "conf"},
                          {"nmcli", "general", "reload", "dns-full"}};
        commands.after_undo = commands.apply;
      }
      break;
    case Backend::Dnsmasq:
      if (wrote(kDnsmasqPath)) {
        commands.apply = commands.after_undo = {{"systemctl", "restart", "dnsmasq.service"}};
      }
      break;
    case Backend::Resolvconf:
      if (wrote(kHeadPath)) commands.apply = commands.after_undo = {{"resolvconf", "-u"}};
      break;
    case Backend::ResolvConf:
    case Backend::MacOs:
    case Backend::Windows: break;
  }
  if (wrote(kRedirectPath)) {
    commands.apply.insert(commands.apply.begin(), {"nft", "-f", std::string(kRedirectPath)});
    commands.before_undo.push_back(
        {"nft", "delete", "table", server.address.is_v4() ? "ip" : "ip6", "clusterdns"});
  }
  return commands;
}

SetupPlan make_plan(Backend backend, const HostPort& server, std::vector<RoutedDomain> domains,
                    const TreeView& view) {
  const std::size_t most = backend == Backend::Resolved ? kMostResolvedDomains : kMostDomains;
  if (domains.size() > most) {
    throw std::runtime_error(
        fmt::format("{} zones and hosts are too many: {} takes {}; name a zone above the hosts "
                    "with --zone, which stands for all below it",
                    domains.size(), name_of(backend), most));
  }
  SetupPlan plan;
  plan.backend = backend;
  plan.server = server;
  plan.domains = std::move(domains);
  switch (backend) {
    case Backend::Resolved: plan_resolved(plan, view); break;
    case Backend::NetworkManager: plan_manager(plan, view); break;
    case Backend::Dnsmasq: plan_dnsmasq(plan, view); break;
    case Backend::Resolvconf: plan_resolvconf(plan, view); break;
    case Backend::ResolvConf: plan_resolv_conf(plan, view); break;
    case Backend::MacOs: plan_macos(plan); break;
    case Backend::Windows: plan_windows(plan); break;
  }
  std::vector<std::string> paths;
  for (const FileChange& file : plan.files) paths.push_back(file.path);
  plan.commands = commands_for(backend, server, paths);
  return plan;
}

}  // namespace clusterdns::app
