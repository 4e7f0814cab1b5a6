#include "app/commands/probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "app/corefile/error.h"
#include "app/corefile/paths.h"
#include "app/directives/directive.h"
#include "dns/forward/upstream_address.h"

namespace clusterdns::app {
namespace {

// One upstream, while it is waited for.
class Probe {
 public:
  Probe(Position at, const dns::Endpoint& upstream, bool stream)
      : at_(std::move(at)), text_(upstream.to_string()), stream_(stream) {
    begin(upstream);
  }
  ~Probe() {
    if (socket_ >= 0) ::close(socket_);
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  [[nodiscard]] bool waits() const { return !done_ && error_.empty(); }
  [[nodiscard]] pollfd wanted() const {
    return {socket_, static_cast<short>(stream_ ? POLLOUT : POLLIN), 0};
  }

  // Its socket has something to say.
  void wake() {
    int error = 0;
    socklen_t size = sizeof error;
    if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error != 0) {
      return fail(error);
    }
    if (stream_) {
      done_ = true;
      return;
    }
    std::array<std::uint8_t, 512> reply{};
    const ssize_t n = ::recv(socket_, reply.data(), reply.size(), 0);
    if (n < 0 && errno != EAGAIN) return fail(errno);
    // Any answer is one: it is there.
    constexpr ssize_t kHeader = 12;
    done_ = n >= kHeader && reply[0] == query_[0] && reply[1] == query_[1];
  }

  void tell(std::chrono::milliseconds patience, Problems& problems) const {
    if (done_) return;
    problems.warn(at_, text_ +
                           (error_.empty() ? " does not answer within " +
                                                 std::to_string(patience.count()) + " ms"
                                           : " cannot be reached: " + error_) +
                           (stream_ ? " (TCP)" : " (UDP)"));
  }

 private:
  void begin(const dns::Endpoint& upstream) {
    sockaddr_storage to{};
    socklen_t size = 0;
    if (upstream.v6) {
      auto* const in6 = reinterpret_cast<sockaddr_in6*>(&to);  // NOLINT: how sockets want it
      in6->sin6_family = AF_INET6;
      in6->sin6_port = htons(upstream.port);
      in6->sin6_scope_id = upstream.scope_id;
      std::memcpy(&in6->sin6_addr, upstream.address.data(), sizeof in6->sin6_addr);
      size = sizeof *in6;
    } else {
      auto* const in = reinterpret_cast<sockaddr_in*>(&to);  // NOLINT: how sockets want it
      in->sin_family = AF_INET;
      in->sin_port = htons(upstream.port);
      std::memcpy(&in->sin_addr, upstream.address.data(), sizeof in->sin_addr);
      size = sizeof *in;
    }
    socket_ = ::socket(to.ss_family,
                       (stream_ ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket_ < 0) return fail(errno);
    const int result =
        ::connect(socket_, reinterpret_cast<const sockaddr*>(&to), size);  // NOLINT: as above
    if (result != 0 && errno != EINPROGRESS) return fail(errno);
    if (stream_) {
      done_ = result == 0;
      return;
    }
    if (::getrandom(query_.data(), 2, 0) != 2) return fail(EIO);
    if (::send(socket_, query_.data(), query_.size(), MSG_NOSIGNAL) < 0) fail(errno);
  }

  void fail(int error) { error_ = std::strerror(error); }  // NOLINT(concurrency-mt-unsafe)

  const Position at_;
  const std::string text_;
  const bool stream_;
  int socket_ = -1;
  bool done_ = false;
  std::string error_;
  // RFC 1035 4.1: an id, RD, one question: the root, NS, IN.
  std::array<std::uint8_t, 17> query_{0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1};
};

std::vector<boost::asio::ip::address> addresses_of(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  std::vector<boost::asio::ip::address> found;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return found;
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  for (const addrinfo* each = list; each != nullptr; each = each->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(each->ai_addr, each->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) != 0) {
      continue;
    }
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(text.data(), error);
    if (!error) found.push_back(address);
  }
  return found;
}

class Probes {
 public:
  explicit Probes(Problems& problems) : problems_(problems) {}

  void add(const Token& word, bool stream) {
    std::string error;
    if (is_upstream_file(word.text)) {
      const auto machine = dns::machine_upstreams(
          expand_path(word.text).string(), std::string(dns::kResolvedUpstreams),
          [](const dns::Endpoint&) { return false; }, &error);
      if (!machine) return;  // told already
      for (const dns::Endpoint& upstream : machine->upstreams) ask(word.at, upstream, stream);
      return;
    }
    const auto upstream = dns::parse_upstream(word.text, &error);
    if (!upstream) return;
    stream = stream || upstream->tls;
    if (upstream->host.empty()) return ask(word.at, upstream->endpoint, stream);
    const auto addresses = addresses_of(upstream->host);
    if (addresses.empty()) problems_.warn(word.at, in_quotes(upstream->host) + " has no address");
    for (const auto& address : addresses) {
      ask(word.at, dns::make_endpoint(address, upstream->endpoint.port), stream);
    }
  }

  std::size_t wait(std::chrono::milliseconds patience) {
    const auto deadline = std::chrono::steady_clock::now() + patience;
    for (;;) {
      std::vector<pollfd> wanted;
      std::vector<Probe*> of;
      for (const auto& probe : probes_) {
        if (!probe->waits()) continue;
        wanted.push_back(probe->wanted());
        of.push_back(probe.get());
      }
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      if (wanted.empty() || left.count() <= 0) break;
      if (::poll(wanted.data(), wanted.size(), static_cast<int>(left.count())) <= 0) continue;
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        if (wanted[i].revents != 0) of[i]->wake();
      }
    }
    for (const auto& probe : probes_) probe->tell(patience, problems_);
    return probes_.size();
  }

 private:
  void ask(const Position& at, const dns::Endpoint& upstream, bool stream) {
    if (!known_.insert(upstream.to_string() + (stream ? " TCP" : " UDP")).second) return;
    if (probes_.size() == kMaxProbes) {
      problems_.warn(
          at, "more than " + std::to_string(kMaxProbes) + " upstreams; this one is not asked");
      return;
    }
    probes_.push_back(std::make_unique<Probe>(at, upstream, stream));
  }

  Problems& problems_;
  std::set<std::string> known_;
  std::vector<std::unique_ptr<Probe>> probes_;
};

}  // namespace

std::size_t probe_upstreams(const Corefile& corefile, std::chrono::milliseconds patience,
                            Problems& problems) {
  Probes probes(problems);
  for (const ServerBlock& block : corefile.blocks) {
    for (const Directive& d : block.directives) {
      if (d.name.text != "forward" && d.name.text != "proxy") continue;
      const bool tcp = std::any_of(d.block.begin(), d.block.end(), [](const Directive& line) {
        return line.name.text == "force_tcp";
      });
      for (std::size_t i = 1; i < d.args.size(); ++i) probes.add(d.args[i], tcp);
    }
  }
  return probes.wait(patience);
}

}  // namespace clusterdns::app
