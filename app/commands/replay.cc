#include "app/commands/replay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <map>
#include <set>
#include <unordered_map>

#include "app/corefile/error.h"
#include "app/corefile/paths.h"
#include "dns/base/descriptor.h"
#include "dns/base/regular_file.h"
#include "dns/net/socket_address.h"
#include "dns/target/capture_reader.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

using Clock = std::chrono::steady_clock;
using Octets = std::vector<std::uint8_t>;

constexpr int kDifferent = 1;
constexpr int kUsage = 2;
constexpr std::size_t kLargestFile = std::size_t{1} << 31;
constexpr std::chrono::seconds kPatience{5};
constexpr std::size_t kMostConnections = 256;
constexpr std::size_t kMostOpen = 50'000;  // queries that wait for their answer

struct Asked {
  std::int64_t time_ns = 0;
  dns::Transport transport = dns::Transport::Udp;
  Octets query;
  Octets expected;  // empty: the capture has no answer
  Octets answer;    // likewise, of the server
};

// Whose question it is: both ends, the id, and the question's octets in small letters.
std::string key_of(const dns::Endpoint& client, const dns::Endpoint& server,
                   const dns::CapturedMessage& message) {
  std::string key = client.to_string() + " " + server.to_string() + " ";
  key.append(reinterpret_cast<const char*>(message.octets.data()), 2);
  key += message.transport == dns::Transport::Udp ? 'u' : 't';
  return key;
}

std::vector<Asked> queries_of(std::vector<dns::CapturedMessage> messages) {
  std::stable_sort(messages.begin(), messages.end(),
                   [](const auto& a, const auto& b) { return a.time_ns < b.time_ns; });
  std::vector<Asked> all;
  std::unordered_map<std::string, std::deque<std::size_t>> open;
  for (dns::CapturedMessage& message : messages) {
    if (!message.answer) {
      open[key_of(message.from, message.to, message)].push_back(all.size());
      all.push_back({message.time_ns, message.transport, std::move(message.octets), {}, {}});
      continue;
    }
    const auto found = open.find(key_of(message.to, message.from, message));
    if (found == open.end() || found->second.empty()) continue;
    all[found->second.front()].expected = std::move(message.octets);
    found->second.pop_front();
  }
  return all;
}

// What is compared of an answer; nullopt: it cannot be read.
struct Seen {
  std::uint16_t rcode = 0;
  bool truncated = false;
  std::multiset<std::string> records;
  friend bool operator==(const Seen&, const Seen&) = default;
};

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::optional<Seen> seen(const Octets& answer) {
  const auto message = dns::read_message(answer);
  if (!message) return std::nullopt;
  Seen seen{message->rcode, (message->flags & dns::kFlagTC) != 0, {}};
  for (const dns::Record& record : message->answer) {
    seen.records.insert(lower(record.owner.to_text()) + " " + dns::rrtype_to_text(record.type) +
                        " " + dns::rdata_to_text(record.type, record.rdata));
  }
  return seen;
}

std::string question_of(const Octets& query) {
  std::size_t end = 0;
  const auto name = dns::Name::from_message(query, dns::kHeaderSize, &end);
  if (!name) return "(no question)";
  if (query.size() < end + 2) return name->to_text();
  return name->to_text() + " " +
         dns::rrtype_to_text(dns::RRType{dns::load_u16(query.data() + end)});
}

std::string text_of(const Seen& seen) {
  std::string text = dns::rcode_to_text(seen.rcode) + (seen.truncated ? " TC" : "");
  for (const std::string& record : seen.records) text += ", " + record;
  return text;
}

// Asks, and takes what comes back.
class Player {
 public:
  Player(const sockaddr_storage& server, socklen_t size) : server_(server), size_(size) {
    udp_ =
        dns::Descriptor(::socket(server.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const int room = 4 * 1024 * 1024;
    ::setsockopt(udp_.get(), SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    ok_ = udp_.get() >= 0 && ::connect(udp_.get(), address(), size_) == 0;
  }
  [[nodiscard]] bool ok() const noexcept { return ok_; }

  void ask(Asked& asked) {
    if (asked.query.size() < dns::kHeaderSize) return;
    if (asked.transport == dns::Transport::Tcp) return ask_by_tcp(asked);
    // Ids of a capture are of many clients; here each stands for one query.
    while (open_.contains(next_id_)) ++next_id_;
    const std::uint16_t id = next_id_++;
    Octets query = asked.query;
    dns::store_u16(query.data(), id);
    open_[id] = {&asked, Clock::now() + kPatience};
    (void)::send(udp_.get(), query.data(), query.size(), MSG_NOSIGNAL);
  }
  [[nodiscard]] bool is_full() const noexcept {
    return open_.size() >= kMostOpen || streams_.size() >= kMostConnections;
  }
  [[nodiscard]] bool done() const noexcept { return open_.empty() && streams_.empty(); }

  // Takes what comes until then, or the first of it.
  void wait(Clock::time_point until) {
    std::vector<pollfd> all{{udp_.get(), POLLIN, 0}};
    for (const Stream& stream : streams_) {
      all.push_back(
          {stream.socket.get(), static_cast<short>(stream.unsent.empty() ? POLLIN : POLLOUT), 0});
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    (void)::poll(all.data(), all.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 100)));
    receive();
    for (std::size_t i = streams_.size(); i-- > 0;) {
      if (all[i + 1].revents != 0 && !go_on(streams_[i])) drop(i);
    }
    const auto now = Clock::now();
    std::erase_if(open_, [&](const auto& each) { return each.second.until < now; });
    for (std::size_t i = streams_.size(); i-- > 0;) {
      if (streams_[i].until < now) drop(i);
    }
  }

 private:
  struct Open {
    Asked* asked = nullptr;
    Clock::time_point until;
  };
  struct Stream {
    dns::Descriptor socket;
    Asked* asked = nullptr;
    Octets unsent, received;
    Clock::time_point until;
  };

  [[nodiscard]] const sockaddr* address() const noexcept {
    return reinterpret_cast<const sockaddr*>(&server_);
  }

  void ask_by_tcp(Asked& asked) {
    dns::Descriptor socket(
        ::socket(server_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.get() < 0) return;
    if (::connect(socket.get(), address(), size_) != 0 && errno != EINPROGRESS) return;
    Stream stream{std::move(socket), &asked, {}, {}, Clock::now() + kPatience};
    stream.unsent = {static_cast<std::uint8_t>(asked.query.size() >> 8),
                     static_cast<std::uint8_t>(asked.query.size())};
    stream.unsent.insert(stream.unsent.end(), asked.query.begin(), asked.query.end());
    streams_.push_back(std::move(stream));
  }

  // False: it is over.
  static bool go_on(Stream& stream) {
    if (!stream.unsent.empty()) {
      const ssize_t sent = ::send(stream.socket.get(), stream.unsent.data(), stream.unsent.size(),
                                  MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent < 0) return errno == EAGAIN;
      stream.unsent.erase(stream.unsent.begin(), stream.unsent.begin() + sent);
      return true;
    }
    std::uint8_t octets[16 * 1024];
    const ssize_t got = ::recv(stream.socket.get(), octets, sizeof octets, MSG_DONTWAIT);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    stream.received.insert(stream.received.end(), octets, octets + got);
    if (stream.received.size() < 2) return true;
    const std::size_t size = dns::load_u16(stream.received.data());
    if (stream.received.size() < 2 + size) return true;
    stream.asked->answer.assign(stream.received.begin() + 2,
                                stream.received.begin() + 2 + static_cast<std::ptrdiff_t>(size));
    return false;
  }

  void drop(std::size_t i) {
    std::swap(streams_[i], streams_.back());
    streams_.pop_back();
  }

  void receive() {
    std::uint8_t octets[65536];
    for (;;) {
      const ssize_t size = ::recv(udp_.get(), octets, sizeof octets, MSG_DONTWAIT);
      if (size < 0) return;
      if (size < static_cast<ssize_t>(dns::kHeaderSize)) continue;
      const auto found = open_.find(dns::load_u16(octets));
      if (found == open_.end()) continue;
      Asked& asked = *found->second.asked;
      asked.answer.assign(octets, octets + size);
      std::copy_n(asked.query.begin(), 2, asked.answer.begin());
      open_.erase(found);
    }
  }

  sockaddr_storage server_;
  socklen_t size_;
  dns::Descriptor udp_;
  bool ok_ = false;
  std::uint16_t next_id_ = 1;
  std::unordered_map<std::uint16_t, Open> open_;
  std::vector<Stream> streams_;
};

}  // namespace

int run_replay(const ReplayOptions& options, std::ostream& out, std::ostream& err) {
  const auto wrong = [&err](const std::string& what) {
    err << "clusterdns replay: " << what << "\n";
    return kUsage;
  };
  const auto file = dns::read_regular_file(expand_path(options.file), kLargestFile);
  if (!file) return wrong(options.file + " " + file.error());
  std::string error;
  auto messages = dns::read_capture(*file, &error);
  if (!messages) return wrong(options.file + ": " + error);
  std::vector<Asked> all = queries_of(std::move(*messages));

  dns::Endpoint at;
  at.address = options.server.address.octets;
  at.port = options.server.port;
  at.v6 = !options.server.address.is_v4();
  socklen_t size = 0;
  const sockaddr_storage server = dns::socket_address(at, &size);
  Player player(server, size);
  if (!player.ok()) return wrong("cannot reach " + options.server.to_string());
  const auto began = Clock::now();
  for (Asked& asked : all) {
    const auto offset = static_cast<double>(asked.time_ns - all.front().time_ns) / options.speed;
    const auto due = began + std::chrono::nanoseconds(static_cast<std::int64_t>(offset));
    while (Clock::now() < due) player.wait(due);
    while (player.is_full()) player.wait(Clock::now() + kPatience);
    player.ask(asked);
    player.wait(Clock::now());
  }
  while (!player.done()) player.wait(Clock::now() + kPatience);

  std::size_t answered = 0, compared = 0;
  std::set<std::string> differ, miss;
  std::size_t differing = 0, missing = 0;
  for (const Asked& asked : all) {
    if (!asked.answer.empty()) ++answered;
    if (asked.expected.empty()) continue;
    ++compared;
    const std::string question = question_of(asked.query);
    if (asked.answer.empty()) {
      ++missing;
      miss.insert(question + ": no answer");
      continue;
    }
    const auto before = seen(asked.expected);
    const auto now = seen(asked.answer);
    if (before && now ? *before == *now : asked.expected == asked.answer) continue;
    ++differing;
    differ.insert(question + ": " + (before ? text_of(*before) : "not to be read") + " became " +
                  (now ? text_of(*now) : "not to be read"));
  }
  for (const std::string& line : differ) out << line << "\n";
  for (const std::string& line : miss) out << line << "\n";
  out << all.size() << " queries, " << answered << " answered, " << compared << " compared, "
      << differing << " differ, " << missing << " missing\n";
  return differing + missing == 0 ? 0 : kDifferent;
}

}  // namespace clusterdns::app
