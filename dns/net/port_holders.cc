#include "dns/net/port_holders.h"

#include <dirent.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>

namespace clusterdns::dns {
namespace {

using boost::asio::ip::address;

// TCP's LISTEN in /proc/net/tcp (include/net/tcp_states.h).
constexpr std::string_view kListening = "0A";

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The next word of `line`, which loses it.
std::string_view next_word(std::string_view& line) {
  const std::size_t begin = line.find_first_not_of(' ');
  if (begin == std::string_view::npos) return {};
  line.remove_prefix(begin);
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(end);
  return word;
}

template <class Number>
std::optional<Number> number(std::string_view text, int base) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "0100007F:0035": 32-bit words as the machine reads them, then the port.
std::optional<ListenPlace> read_place(std::string_view text, bool v6) {
  const std::size_t words = v6 ? 4 : 1;
  if (text.size() != words * 8 + 5 || text[words * 8] != ':') return std::nullopt;
  std::array<std::uint8_t, 16> octets{};
  for (std::size_t i = 0; i < words; ++i) {
    const auto word = number<std::uint32_t>(text.substr(i * 8, 8), 16);
    if (!word) return std::nullopt;
    std::memcpy(octets.data() + 4 * i, &*word, 4);
  }
  const auto port = number<std::uint16_t>(text.substr(words * 8 + 1), 16);
  if (!port) return std::nullopt;
  if (v6) return ListenPlace{boost::asio::ip::address_v6(octets), *port};
  return ListenPlace{boost::asio::ip::address_v4({octets[0], octets[1], octets[2], octets[3]}),
                     *port};
}

bool in_the_way(const ListenPlace& held, const ListenPlace& wanted, bool both_families) {
  if (held.port != wanted.port) return false;
  if (wanted.every_family) return true;
  if (held.address.is_v6() != wanted.address.is_v6()) {
    return both_families && held.address.is_v6() && held.address.is_unspecified();
  }
  if (held.address.is_unspecified() || wanted.address.is_unspecified()) return true;
  if (held.address.is_v4()) return held.address == wanted.address;
  // /proc does not tell the scope.
  return held.address.to_v6().to_bytes() == wanted.address.to_v6().to_bytes();
}

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

bool has_socket(const std::string& folder, const std::string& link) {
  const Directory directory(::opendir(folder.c_str()));
  if (directory == nullptr) return false;
  while (const dirent* entry = ::readdir(directory.get())) {
    std::array<char, 64> target;
    const ssize_t size =
        ::readlinkat(::dirfd(directory.get()), entry->d_name, target.data(), target.size());
    if (size > 0 && std::string_view(target.data(), static_cast<std::size_t>(size)) == link)
      return true;
  }
  return false;
}

std::optional<address> address_of(const sockaddr* from) {
  if (from == nullptr) return std::nullopt;
  if (from->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, from, sizeof v4);
    return boost::asio::ip::address_v4(ntohl(v4.sin_addr.s_addr));
  }
  if (from->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, from, sizeof v6);
    boost::asio::ip::address_v6::bytes_type octets;
    std::memcpy(octets.data(), &v6.sin6_addr, octets.size());
    return boost::asio::ip::address_v6(octets);
  }
  return std::nullopt;
}

}  // namespace

std::vector<PortHolder> read_port_holders(std::string_view text, bool v6, ListenKind kind,
                                          const ListenPlace& place, bool both_families) {
  std::vector<PortHolder> found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    (void)next_word(line);  // its number
    const auto held = read_place(next_word(line), v6);
    (void)next_word(line);  // the peer
    const std::string_view state = next_word(line);
    if (!held || (kind == ListenKind::Tcp && state != kListening)) continue;
    if (!in_the_way(*held, place, both_families)) continue;
    for (int i = 0; i < 5; ++i) (void)next_word(line);  // queues, timers, user
    const auto inode = number<std::uint64_t>(next_word(line), 10);
    if (inode) found.push_back({*held, *inode});
  }
  return found;
}

std::vector<PortHolder> port_holders(ListenKind kind, const ListenPlace& place,
                                     bool both_families) {
  const std::string path = kind == ListenKind::Udp ? "/proc/net/udp" : "/proc/net/tcp";
  std::vector<PortHolder> all;
  for (const bool v6 : {false, true}) {
    auto some =
        read_port_holders(read_file(v6 ? path + "6" : path), v6, kind, place, both_families);
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

SocketOwner socket_owner(std::uint64_t inode) {
  const std::string link = "socket:[" + std::to_string(inode) + "]";
  const Directory processes(::opendir("/proc"));
  if (processes == nullptr) return {};
  while (const dirent* entry = ::readdir(processes.get())) {
    const auto pid = number<pid_t>(entry->d_name, 10);
    if (!pid) continue;
    const std::string folder = "/proc/" + std::string(entry->d_name);
    if (!has_socket(folder + "/fd", link)) continue;
    std::string program = read_file(folder + "/comm");
    while (!program.empty() && program.back() == '\n') program.pop_back();
    return {*pid, program};
  }
  return {};
}

std::string other_interfaces(const std::vector<PortHolder>& taken) {
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) return {};
  const std::unique_ptr<ifaddrs, void (*)(ifaddrs*)> owner(list, ::freeifaddrs);
  std::vector<std::string> names;
  std::vector<std::string> bad;
  for (const ifaddrs* i = list; i != nullptr; i = i->ifa_next) {
    const auto mine = address_of(i->ifa_addr);
    if (!mine || (i->ifa_flags & IFF_UP) == 0) continue;
    const std::string name = i->ifa_name;
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
    for (const PortHolder& holder : taken) {
      if (holder.place.address.is_unspecified() || holder.place.address == *mine)
        bad.push_back(name);
    }
  }
  std::string words;
  for (const std::string& name : names) {
    if (std::find(bad.begin(), bad.end(), name) != bad.end()) continue;
    words += (words.empty() ? "" : " ") + name;
  }
  return words;
}

}  // namespace clusterdns::dns
