#include "app/setup/doctor.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <fmt/format.h>
#include <boost/json/parse.hpp>

#include "dns/net/resolv_conf.h"
#include "registry/shown_text.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kHostsPath = "/etc/hosts";
constexpr std::string_view kNsswitchPath = "/etc/nsswitch.conf";
// Of one check: what is wrong in the same way a hundred times is not told a hundred times.
constexpr std::size_t kMostLines = 20;
constexpr std::uint16_t kPort53 = 53;

DoctorCheck good(std::string code, std::string text) {
  return {std::move(code), true, "info", std::move(text), ""};
}
DoctorCheck bad(std::string code, std::string severity, std::string text, std::string fix) {
  return {std::move(code), false, std::move(severity), std::move(text), std::move(fix)};
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : line) {
    if (c != ' ' && c != '\t' && c != '\r') {
      word += c;
    } else if (!word.empty()) {
      words.push_back(std::exchange(word, {}));
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

bool is_at_or_below(std::string_view name, std::string_view domain) {
  return name == domain || (name.ends_with(domain) && name.size() > domain.size() &&
                            name[name.size() - domain.size() - 1] == '.');
}

const std::string* domain_of(const DoctorFacts& facts, std::string_view name) {
  for (const std::string& domain : facts.domains) {
    if (is_at_or_below(name, domain)) return &domain;
  }
  return nullptr;
}

// The sources of `hosts` in nsswitch.conf, with actions such as [NOTFOUND=return].
std::vector<std::string> host_sources(const Tree& tree) {
  std::string_view text;
  const TreeEntry file = tree.look(kNsswitchPath, Tree::Links::Follow);
  text = file.text;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    line = line.substr(0, line.find('#'));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::vector<std::string> name = words_of(line.substr(0, colon));
    if (name == std::vector<std::string>{"hosts"}) return words_of(line.substr(colon + 1));
  }
  return {"files", "dns"};  // glibc's own
}

bool has(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_action(const std::string& word) { return word.starts_with('['); }

std::string with_sources(const std::vector<std::string>& words) {
  std::string line = "hosts:";
  for (const std::string& word : words) line += " " + word;
  return "sudo sed -i " + shell_word("s/^[[:space:]]*hosts:.*/" + line + "/") + " " +
         std::string(kNsswitchPath);
}

// Words of nsswitch.conf that may stand in a command for sed.
bool are_plain(const std::vector<std::string>& words) {
  return std::all_of(words.begin(), words.end(), [](const std::string& word) {
    return std::all_of(word.begin(), word.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             std::string_view("_[]=!-").find(c) != std::string_view::npos;
    });
  });
}

std::vector<std::string> nameservers_of(const Tree& tree) {
  const TreeEntry file = tree.look(kResolvConfPath, Tree::Links::Follow);
  std::vector<std::string> result;
  for (const auto& address :
       dns::parse_resolv_conf(file.text, std::string(kResolvConfPath)).nameservers) {
    result.push_back(address.to_string());
  }
  return result;
}

// Firefox: 2 prefers its own resolver, 3 asks no other.
bool asks_own_resolver(std::string_view preferences) {
  constexpr std::string_view kName = "\"network.trr.mode\",";
  const std::size_t at = preferences.rfind(kName);
  if (at == std::string_view::npos) return false;
  const std::string_view rest = preferences.substr(at + kName.size());
  const std::size_t value = rest.find_first_not_of(' ');
  return value != std::string_view::npos && (rest[value] == '2' || rest[value] == '3');
}

// Chromium's `Local State`, or a policy for it.
bool is_secure_mode(const std::string& text) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(text, error);
  if (error || !value.is_object()) return false;
  const auto& object = value.as_object();
  const auto is_secure = [](const boost::json::value* mode) {
    return mode != nullptr && mode->is_string() && mode->as_string() == "secure";
  };
  if (is_secure(object.if_contains("DnsOverHttpsMode"))) return true;
  const auto* const settings = object.if_contains("dns_over_https");
  return settings != nullptr && settings->is_object() &&
         is_secure(settings->as_object().if_contains("mode"));
}

// Homes of people; what may not be read is passed over.
std::vector<std::string> homes_of(const Tree& tree) {
  std::vector<std::string> homes{"/root"};
  for (const std::string& name : tree.list("/home")) homes.push_back("/home/" + name);
  return homes;
}

std::string text_of(const Tree& tree, const std::string& path) {
  try {
    const TreeEntry entry = tree.look(path, Tree::Links::Follow);
    return entry.kind == TreeEntry::Kind::File ? entry.text : "";
  } catch (const std::exception&) {
    return "";  // somebody else's, or too large
  }
}

std::vector<std::string> names_in(const Tree& tree, const std::string& folder) {
  try {
    return tree.list(folder);
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

std::string shell_word(std::string_view word) {
  std::string text = "'";
  for (const char c : word) {
    if (c == '\'') {
      text += "'\\''";
    } else {
      text += c;
    }
  }
  return text + "'";
}

std::vector<DoctorCheck> check_hosts_file(const DoctorFacts& facts) {
  std::vector<DoctorCheck> checks;
  const std::string path = facts.tree.shown(kHostsPath);
  const std::string all = facts.tree.look(kHostsPath, Tree::Links::Follow).text;
  std::string_view text = all;
  std::size_t number = 0;
  while (!text.empty() && checks.size() < kMostLines) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    line = line.substr(0, line.find('#'));
    const std::vector<std::string> words = words_of(line);
    if (words.size() < 2) continue;
    for (std::size_t i = 1; i < words.size(); ++i) {
      std::string why;
      const auto name = plain_name(words[i], &why);
      if (!name || domain_of(facts, *name) == nullptr) continue;
      const auto address = registry::IpAddress::parse(words[0]);
      const auto served = facts.addresses ? facts.addresses(*name) : std::nullopt;
      if (address && served &&
          std::find(served->begin(), served->end(), *address) != served->end()) {
        continue;  // it says what the server says
      }
      // sed's own characters in a name are its dots.
      std::string pattern;
      for (const char c : words[i]) pattern += c == '.' ? std::string("\\.") : std::string(1, c);
      const std::string command = words.size() == 2
                                      ? fmt::format("{}d", number)
                                      : fmt::format("{}s/[[:space:]]{}\\b//", number, pattern);
      checks.push_back(bad("hosts-file", "error",
                           fmt::format("{}:{}: {} is {} here, before any server is asked", path,
                                       number, *name, registry::printable(words[0])),
                           "sudo sed -i.bak " + shell_word(command) + " " + shell_word(path)));
      break;
    }
  }
  if (checks.empty())
    checks.push_back(good("hosts-file", path + " has no other address of a name"));
  return checks;
}

std::vector<DoctorCheck> check_nameserver(const DoctorFacts& facts) {
  const Tree& tree = facts.tree;
  const std::string path = tree.shown(kResolvConfPath);
  const std::vector<std::string> servers = nameservers_of(tree);
  const std::string first = servers.empty() ? "" : servers.front();
  const std::string ours = facts.server.address.to_string();
  if (facts.record == nullptr) {
    if (first == ours && facts.server.port == kPort53) {
      return {good("nameserver", path + " has " + ours + " first")};
    }
    return {bad("nameserver", "error", "this machine is not set up to ask the server",
                "sudo clusterdns setup")};
  }
  for (const SetupRecord::File& file : facts.record->files) {
    if (tree.look(file.path).same_content(file.after)) continue;
    return {bad("nameserver", "error", tree.shown(file.path) + " was changed since setup wrote it",
                "sudo clusterdns unsetup && sudo clusterdns setup")};
  }
  switch (facts.record->backend) {
    case Backend::Resolvconf:
    case Backend::ResolvConf:
      if (first == ours) break;
      return {bad("nameserver", "error",
                  first.empty() ? path + " has no nameserver"
                                : path + " has the nameserver " + first + " before " + ours,
                  "sudo clusterdns unsetup && sudo clusterdns setup")};
    case Backend::Resolved:
      if (first == "127.0.0.53" || first == "127.0.0.54" || has(host_sources(tree), "resolve"))
        break;
      return {bad("nameserver", "error",
                  path + " does not lead to systemd-resolved, which alone knows the zones",
                  "sudo ln -sf ../run/systemd/resolve/stub-resolv.conf " + shell_word(path))};
    case Backend::NetworkManager:
    case Backend::Dnsmasq:
      if (first.starts_with("127.") || first == "::1") break;
      return {bad("nameserver", "error",
                  path + " does not lead to dnsmasq, which alone knows the zones",
                  "sudo sed -i '1inameserver 127.0.0.1' " + shell_word(path))};
    case Backend::MacOs:
    case Backend::Windows: break;
  }
  return {good("nameserver", std::string(name_of(facts.record->backend)) + " is set up")};
}

std::vector<DoctorCheck> check_nsswitch(const DoctorFacts& facts) {
  std::vector<std::string> words = host_sources(facts.tree);
  const std::string path = facts.tree.shown(kNsswitchPath);
  if (has(words, "dns") || has(words, "resolve")) {
    return {good("nsswitch", path + " has programs ask nameservers")};
  }
  words.push_back("dns");
  return {bad("nsswitch", "error",
              path + " has neither dns nor resolve: programs ask no nameserver",
              are_plain(words) ? with_sources(words)
                               : "sudo sed -i 's/^[[:space:]]*hosts:.*/hosts: files dns/' " +
                                     std::string(kNsswitchPath))};
}

std::vector<DoctorCheck> check_mdns(const DoctorFacts& facts) {
  const std::vector<std::string> words = host_sources(facts.tree);
  // What ends the search before a nameserver is asked.
  bool ends = false;
  std::vector<std::string> others;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "dns" || words[i] == "resolve") {
      others.insert(others.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    if (words[i].starts_with("mdns")) {
      if (i + 1 < words.size() && is_action(words[i + 1])) {
        ends = ends || words[i + 1].find("NOTFOUND=return") != std::string::npos;
        ++i;
      }
      continue;
    }
    others.push_back(words[i]);
  }
  std::vector<std::string> local;
  for (const std::string& domain : facts.domains) {
    // Of more labels than two, mDNS asks for none (RFC 6762, and nss-mdns's `minimal`).
    if (domain.ends_with(".local") && std::count(domain.begin(), domain.end(), '.') == 1 &&
        domain != "cluster.local") {
      local.push_back(domain);
    }
  }
  if (local.empty()) {
    return {good("mdns", "no name of two labels ends in .local, which is mDNS's")};
  }
  if (!ends) return {good("mdns", "mDNS does not keep names of .local from nameservers")};
  return {bad("mdns", "warning",
              local.front() + " ends in .local: mDNS is asked for it, and no nameserver after that",
              are_plain(others) ? with_sources(others) : "sudo apt remove libnss-mdns")};
}

std::vector<DoctorCheck> check_vpn(const DoctorFacts& facts, bool works) {
  constexpr std::string_view kFolder = "/sys/class/net";
  // Kinds of hardware (if_arp.h): none, which tunnels and WireGuard have; and PPP.
  constexpr std::array<std::string_view, 2> kTypes = {"65534\n", "512\n"};
  std::vector<std::string> found;
  for (const std::string& name : names_in(facts.tree, std::string(kFolder))) {
    const std::string folder = std::string(kFolder) + "/" + name;
    const std::string type = text_of(facts.tree, folder + "/type");
    const std::string state = text_of(facts.tree, folder + "/operstate");
    if (std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end() || state == "down\n")
      continue;
    found.push_back(registry::printable(name));
  }
  if (found.empty()) return {good("vpn", "there is no VPN")};
  std::string names;
  for (const std::string& name : found) names += (names.empty() ? "" : ", ") + name;
  if (works) return {good("vpn", "a VPN is up (" + names + ") and leaves the names alone")};
  return {bad("vpn", "warning", "a VPN is up (" + names + "), which may have changed who is asked",
              "sudo clusterdns setup")};
}

std::vector<DoctorCheck> check_doh(const DoctorFacts& facts) {
  const Tree& tree = facts.tree;
  std::vector<DoctorCheck> checks;
  for (const std::string& home : homes_of(tree)) {
    for (const char* const firefox :
         {"/.mozilla/firefox", "/snap/firefox/common/.mozilla/firefox"}) {
      for (const std::string& profile : names_in(tree, home + firefox)) {
        const std::string folder = home + firefox + "/" + profile;
        // What is in user.js counts at the next start.
        const std::string user = text_of(tree, folder + "/user.js");
        const bool decided = user.find("\"network.trr.mode\"") != std::string::npos;
        if (!asks_own_resolver(decided ? user : text_of(tree, folder + "/prefs.js"))) continue;
        const std::string path = registry::printable(tree.shown(folder + "/user.js"));
        checks.push_back(bad("doh", "warning",
                             "Firefox asks a resolver of its own over HTTPS: " + path,
                             "echo 'user_pref(\"network.trr.mode\", 5);' >> " + shell_word(path)));
      }
    }
    for (const char* const chromium :
         {"/.config/google-chrome", "/.config/chromium", "/.config/microsoft-edge",
          "/.config/BraveSoftware/Brave-Browser"}) {
      const std::string path = home + chromium + "/Local State";
      if (!is_secure_mode(text_of(tree, path))) continue;
      checks.push_back(
          bad("doh", "warning",
              "a browser asks a resolver of its own over HTTPS: " +
                  registry::printable(tree.shown(path)),
              "sudo mkdir -p /etc/opt/chrome/policies/managed /etc/chromium/policies/managed && "
              "echo '{\"DnsOverHttpsMode\": \"off\"}' | sudo tee "
              "/etc/opt/chrome/policies/managed/clusterdns.json "
              "/etc/chromium/policies/managed/clusterdns.json"));
    }
    if (checks.size() >= kMostLines) break;
  }
  if (checks.empty())
    checks.push_back(good("doh", "no browser is found that asks others over HTTPS"));
  return checks;
}

}  // namespace clusterdns::app
