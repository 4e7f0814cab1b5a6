#include "dns/client/stub_resolver.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <utility>

namespace clusterdns::dns {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Octets = std::span<const std::uint8_t>;

constexpr std::size_t kLengthPrefix = 2;       // RFC 1035 4.2.2
constexpr std::size_t kQuestionFixedSize = 4;  // QTYPE, QCLASS (RFC 1035 4.1.2)
constexpr std::uint16_t kOpcodeMask = 0x7800;
constexpr std::uint16_t kRcodeMask = 0x000F;

std::uint16_t random_id() {
  std::uint16_t id = 0;
  if (getrandom(&id, sizeof id, 0) != static_cast<ssize_t>(sizeof id)) {
    id = static_cast<std::uint16_t>(std::random_device{}());
  }
  return id;
}

// Rcodes that are about the server, not about the name: another one may know better.
bool is_servers_failure(std::uint16_t rcode) noexcept {
  return rcode != static_cast<std::uint16_t>(Rcode::NoError) &&
         rcode != static_cast<std::uint16_t>(Rcode::NXDomain);
}

class Session {
 public:
  explicit Session(const StubOptions& options)
      : options_(options), silent_(options.servers.size()), buffer_(kMaxMessageSize) {}

  StubLookup lookup(const Name& name, bool absolute, std::span<const RRType> types) {
    const std::vector<Name> candidates = stub_candidates(name, absolute, options_);
    const bool as_is_first = candidates.front() == name;
    std::optional<StubLookup> best;
    for (const Name& candidate : candidates) {
      StubLookup outcome = ask_name(candidate, types);
      const bool last =
          outcome.status == StubStatus::NoServer ||
          std::ranges::any_of(outcome.answers, [](const Message& m) {
            return m.rcode == static_cast<std::uint16_t>(Rcode::NoError) && !m.answer.empty();
          });
      // When nothing is found, the name as it was given decides if it came first, otherwise the
      // candidate that got furthest (glibc's res_nsearch).
      if (!best || last || (!as_is_first && weight(outcome.status) >= weight(best->status))) {
        best = std::move(outcome);
      }
      if (last) break;
    }
    best->tries = std::move(tries_);
    return std::move(*best);
  }

 private:
  static int weight(StubStatus status) noexcept {
    switch (status) {
      case StubStatus::Found: return 3;
      case StubStatus::NoData: return 2;
      case StubStatus::Failed: return 1;
      case StubStatus::NXDomain:
      case StubStatus::NoServer: break;
    }
    return 0;
  }

  StubLookup ask_name(const Name& name, std::span<const RRType> types) {
    StubLookup outcome;
    outcome.name = name;
    outcome.status = StubStatus::NoData;
    for (const RRType type : types) {
      std::optional<Message> message = ask(name, type);
      if (!message) {
        if (outcome.status != StubStatus::Found) outcome.status = StubStatus::NoServer;
        return outcome;
      }
      const std::uint16_t rcode = message->rcode;
      const bool found = rcode == static_cast<std::uint16_t>(Rcode::NoError) &&
                         std::ranges::any_of(message->answer, [type](const Record& r) {
                           return r.type == type || type == RRType::ANY;
                         });
      outcome.answers.push_back(std::move(*message));
      if (found) {
        outcome.status = StubStatus::Found;
        outcome.rcode = rcode;
      } else if (outcome.status == StubStatus::Found) {
        continue;
      } else if (rcode == static_cast<std::uint16_t>(Rcode::NXDomain)) {
        // Holds for all types (RFC 2308 section 5).
        outcome.status = StubStatus::NXDomain;
        outcome.rcode = rcode;
        return outcome;
      } else if (rcode != static_cast<std::uint16_t>(Rcode::NoError)) {
        outcome.status = StubStatus::Failed;
        outcome.rcode = rcode;
      }
    }
    return outcome;
  }

  // The first answer about the name; otherwise the last one that is only about a server's trouble
  // or cut short; nullopt when nobody said anything.
  std::optional<Message> ask(const Name& name, RRType type) {
    std::optional<Message> fallback;
    std::vector<bool> done(options_.servers.size());
    for (unsigned round = 0; round < std::max(1U, options_.attempts); ++round) {
      for (const std::size_t i : by_preference()) {
        if (done[i]) continue;
        std::optional<Message> message = ask_server(name, type, options_.servers[i]);
        silent_[i] = !message;
        // Silence may be a lost packet. Trouble and refused connections stay what they are.
        done[i] = message || tries_.back().result == TryResult::Unreachable;
        if (!message) continue;
        const bool truncated = (message->flags & kFlagTC) != 0;
        if (!truncated && !is_servers_failure(message->rcode)) return message;
        fallback = std::move(message);
      }
      // Somebody spoke, and the others had their turn.
      if (fallback || std::ranges::all_of(done, std::identity{})) break;
    }
    return fallback;
  }

  // Servers that kept silent last time come last: a dead one costs its time-out once, not for
  // each name of the search list.
  std::vector<std::size_t> by_preference() const {
    std::vector<std::size_t> order(options_.servers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_partition(order.begin(), order.end(),
                          [this](std::size_t i) { return !silent_[i]; });
    return order;
  }

  std::optional<Message> ask_server(const Name& name, RRType type, const StubServer& server) {
    std::optional<Message> message = ask_with(name, type, server, options_.edns);
    const auto refuses_edns = [](const Message& m) {
      return !m.has_opt && (m.rcode == static_cast<std::uint16_t>(Rcode::FormErr) ||
                            m.rcode == static_cast<std::uint16_t>(Rcode::NotImp));
    };
    // RFC 6891 section 7.
    if (options_.edns && message && refuses_edns(*message)) {
      message = ask_with(name, type, server, false);
    }
    return message;
  }

  std::optional<Message> ask_with(const Name& name, RRType type, const StubServer& server,
                                  bool edns) {
    if (options_.tcp) return one_try(name, type, server, edns, true);
    std::optional<Message> udp = one_try(name, type, server, edns, false);
    if (tries_.back().result != TryResult::Truncated) return udp;
    std::optional<Message> tcp = one_try(name, type, server, edns, true);
    return tcp ? std::move(tcp) : std::move(udp);
  }

  std::optional<Message> one_try(const Name& name, RRType type, const StubServer& server, bool edns,
                                 bool tcp) {
    Message query;
    query.id = random_id();
    query.flags = kFlagRD;
    query.has_question = true;
    query.qname = name;
    query.qtype = type;
    query.qclass = RRClass::IN;
    query.has_opt = edns;
    query.opt_udp_size = options_.udp_size;
    const std::vector<std::uint8_t> octets = write_message(query, kMaxMessageSize);

    StubTry record;
    record.name = name;
    record.type = type;
    record.server = server;
    record.tcp = tcp;
    const Clock::time_point start = Clock::now();
    deadline_ = start + std::chrono::duration_cast<Clock::duration>(options_.timeout);
    std::optional<Message> answer;
    const error_code error =
        tcp ? over_tcp(query, octets, server, &answer) : over_udp(query, octets, server, &answer);
    record.elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start);
    if (answer) {
      const bool truncated = !tcp && (answer->flags & kFlagTC) != 0;
      record.result = truncated ? TryResult::Truncated : TryResult::Answered;
      record.rcode = answer->rcode;
      record.answers = answer->answer.size();
    } else if (error == asio::error::timed_out) {
      record.result = TryResult::TimedOut;
    } else if (error.category() == wire_category()) {
      record.result = TryResult::Malformed;
      record.error = error;
    } else {
      record.result = TryResult::Unreachable;
      record.error = error;
    }
    tries_.push_back(std::move(record));
    return answer;
  }

  error_code over_udp(const Message& query, Octets octets, const StubServer& server,
                      std::optional<Message>* answer) {
    asio::ip::udp::socket socket(io_);
    const asio::ip::udp::endpoint peer(server.address, server.port);
    error_code error;
    // A connected socket: the kernel drops what comes from elsewhere, and reports ICMP errors.
    socket.open(peer.protocol(), error);
    if (!error) socket.connect(peer, error);
    if (error) return error;
    if (socket.send(asio::buffer(octets.data(), octets.size()), 0, error); error) return error;
    for (;;) {
      std::size_t size = 0;
      error = await(socket, &size, [&](auto handler) {
        socket.async_receive(asio::buffer(buffer_), std::move(handler));
      });
      if (error) return error;
      const Octets message = Octets{buffer_}.first(size);
      // Foreign messages are passed over: whoever guesses may not even end the wait.
      if (const auto end = judge(query, message, answer)) return *end;
    }
  }

  error_code over_tcp(const Message& query, Octets octets, const StubServer& server,
                      std::optional<Message>* answer) {
    asio::ip::tcp::socket socket(io_);
    const asio::ip::tcp::endpoint peer(server.address, server.port);
    error_code error;
    socket.open(peer.protocol(), error);
    if (error) return error;
    std::size_t size = 0;
    error =
        await(socket, &size, [&](auto handler) { socket.async_connect(peer, std::move(handler)); });
    if (error) return error;
    std::array<std::uint8_t, kLengthPrefix> prefix{};
    store_u16(prefix.data(), static_cast<std::uint16_t>(octets.size()));
    const std::array<asio::const_buffer, 2> request{asio::buffer(prefix),
                                                    asio::buffer(octets.data(), octets.size())};
    error = await(socket, &size,
                  [&](auto handler) { asio::async_write(socket, request, std::move(handler)); });
    if (error) return error;
    for (;;) {
      error = await(socket, &size, [&](auto handler) {
        asio::async_read(socket, asio::buffer(prefix), std::move(handler));
      });
      if (error) return error;
      const std::size_t length = load_u16(prefix.data());
      error = await(socket, &size, [&](auto handler) {
        asio::async_read(socket, asio::buffer(buffer_.data(), length), std::move(handler));
      });
      if (error) return error;
      if (const auto end = judge(query, Octets{buffer_}.first(length), answer)) return *end;
    }
  }

  // nullopt: not ours, wait on. Otherwise `*answer` is set, or the error tells why not.
  static std::optional<error_code> judge(const Message& query, Octets octets,
                                         std::optional<Message>* answer) {
    if (octets.size() < kHeaderSize || load_u16(octets.data()) != query.id) return std::nullopt;
    const std::uint16_t flags = load_u16(octets.data() + 2);
    if ((flags & kFlagQR) == 0 || (flags & kOpcodeMask) != 0) return std::nullopt;
    const std::uint16_t questions = load_u16(octets.data() + 4);
    if (questions == 0) {
      // Servers that could not read the question send a header only; nothing else may lack it.
      if ((flags & kRcodeMask) == 0) return std::nullopt;
    } else {
      std::size_t end = 0;
      const Result<Name> qname = Name::from_message(octets, kHeaderSize, &end);
      if (qname.has_error() || !equal_ignoring_case(qname->view(), query.qname.view()) ||
          octets.size() < end + kQuestionFixedSize ||
          load_u16(octets.data() + end) != static_cast<std::uint16_t>(query.qtype) ||
          load_u16(octets.data() + end + 2) != static_cast<std::uint16_t>(query.qclass)) {
        return std::nullopt;
      }
    }
    Result<Message> message = read_message(octets);
    if (message.has_value()) {
      *answer = std::move(*message);
      return error_code{};
    }
    if ((flags & kFlagTC) == 0) return message.error();
    // Some servers cut in the middle of a record. TCP will bring the whole.
    Message cut = query;
    cut.flags = flags;
    cut.rcode = flags & kRcodeMask;
    cut.has_opt = false;
    *answer = std::move(cut);
    return error_code{};
  }

  // Starts one operation on `socket` and waits until it ends or the time of this try is over.
  template <class Socket, class Start>
  error_code await(Socket& socket, std::size_t* size, const Start& start) {
    bool done = false;
    error_code result;
    start([&](error_code error, std::size_t transferred = 0) {
      done = true;
      result = error;
      *size = transferred;
    });
    io_.restart();
    io_.run_until(deadline_);
    if (!done) {
      error_code ignored;
      socket.cancel(ignored);
      // The handler refers to this frame and must have run before it goes.
      io_.restart();
      io_.run();
      if (result == asio::error::operation_aborted) result = asio::error::timed_out;
    }
    return result;
  }

  const StubOptions& options_;
  asio::io_context io_{1};
  Clock::time_point deadline_;
  std::vector<bool> silent_;  // by server: the last try brought nothing
  std::vector<StubTry> tries_;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace

std::string StubServer::to_string() const {
  const std::string host = address.to_string();
  return (address.is_v6() ? '[' + host + ']' : host) + ':' + std::to_string(port);
}

StubOptions stub_options(const ResolvConf& conf, std::uint16_t port,
                         std::vector<std::string>* warnings) {
  StubOptions options;
  for (const auto& address : conf.nameservers) {
    if (options.servers.size() == kMaxStubNameservers) break;
    options.servers.push_back({address, port});
  }
  if (options.servers.empty()) {
    options.servers.push_back({asio::ip::address_v4::loopback(), port});
  }
  for (const std::string& text : conf.search) {
    const Result<Name> domain = Name::from_text(text);
    if (domain.has_value()) {
      options.search.push_back(*domain);
    } else {
      warnings->push_back("search domain '" + text + "' is ignored: " + domain.error().message());
    }
  }
  options.ndots = conf.ndots;
  options.timeout = std::chrono::seconds(conf.timeout_seconds);
  options.attempts = conf.attempts;
  options.tcp = conf.use_vc;
  return options;
}

bool is_absolute(std::string_view text) noexcept {
  if (text.empty() || text.back() != '.') return false;
  text.remove_suffix(1);
  std::size_t backslashes = 0;
  while (backslashes < text.size() && text[text.size() - 1 - backslashes] == '\\') ++backslashes;
  return backslashes % 2 == 0;
}

std::vector<Name> stub_candidates(const Name& name, bool absolute, const StubOptions& options) {
  std::vector<Name> names;
  const std::size_t labels = name.label_count();
  if (absolute || labels == 0) return {name};
  const bool as_is_first = labels - 1 >= options.ndots;
  if (as_is_first) names.push_back(name);
  for (const Name& domain : options.search) {
    const Result<Name> full = name.append(domain.view());
    // A list with the root, or the same domain twice, must not ask twice.
    if (full.has_value() && std::ranges::find(names, *full) == names.end()) {
      names.push_back(*full);
    }
  }
  if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  return names;
}

StubLookup stub_lookup(const StubOptions& options, const Name& name, bool absolute,
                       std::span<const RRType> types) {
  return Session{options}.lookup(name, absolute, types);
}

}  // namespace clusterdns::dns
