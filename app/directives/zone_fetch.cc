#include "app/directives/zone_fetch.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <cerrno>
#include <ctime>
#include <random>

#include "dns/base/octets.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/query_writer.h"
#include "zones/file/transfer_reader.h"
#include "zones/file/transfer_stage.h"

namespace clusterdns::app {
namespace {

using Clock = std::chrono::steady_clock;

struct Failed {
  std::string why;
};

std::string words_of(int error) {
  return std::error_code(error, std::generic_category()).message();
}

// A connection to one primary; messages with their length in front (RFC 1035 4.2.2).
class Primary {
 public:
  Primary(const dns::Endpoint& endpoint, std::shared_ptr<const dns::TsigKey> key,
          const std::atomic<bool>& abandoned)
      : key_(std::move(key)), abandoned_(abandoned), end_(Clock::now() + kLongestTransfer) {
    const boost::asio::ip::tcp::endpoint to(endpoint.to_address(), endpoint.port);
    fd_ = ::socket(to.data()->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) throw Failed{words_of(errno)};
    if (::connect(fd_, to.data(), static_cast<socklen_t>(to.size())) != 0) {
      if (errno != EINPROGRESS) fail(errno);
      wait(POLLOUT);
      int error = 0;
      socklen_t size = sizeof error;
      (void)::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) fail(error);
    }
  }
  ~Primary() {
    if (fd_ >= 0) ::close(fd_);
  }
  Primary(const Primary&) = delete;
  Primary& operator=(const Primary&) = delete;

  // Returns the id.
  std::uint16_t ask(const dns::Name& zone, dns::RRType type) {
    std::array<std::uint8_t, 2 + dns::kMaxWrittenQuery + dns::kMaxTsigRecord> octets;
    dns::QueryToWrite query{zone.view(), type};
    query.flags = 0;
    std::size_t size = dns::write_query(query, octets.data() + 2);
    const auto id = static_cast<std::uint16_t>(std::random_device()());
    dns::store_u16(octets.data() + 2, id);
    session_ = dns::TsigSession(key_);
    if (key_ != nullptr) size = session_.sign_request(octets.data() + 2, size, now());
    dns::store_u16(octets.data(), static_cast<std::uint16_t>(size));
    std::span<const std::uint8_t> left(octets.data(), size + 2);
    while (!left.empty()) {
      const ssize_t sent = ::send(fd_, left.data(), left.size(), MSG_NOSIGNAL);
      if (sent >= 0) {
        left = left.subspan(static_cast<std::size_t>(sent));
      } else if (errno == EAGAIN) {
        wait(POLLOUT);
      } else if (errno != EINTR) {
        fail(errno);
      }
    }
    return id;
  }

  // The next message, until the next call.
  std::span<const std::uint8_t> read() {
    std::array<std::uint8_t, 2> size;
    read_all(size);
    message_.resize(dns::load_u16(size.data()));
    read_all(message_);
    if (key_ != nullptr) take_signature();
    return message_;
  }
  // Behind the last message of a reply.
  void expect_signed() const {
    if (key_ != nullptr && !session_.complete()) throw Failed{"its last message is not signed"};
  }

 private:
  static std::uint64_t now() { return static_cast<std::uint64_t>(std::time(nullptr)); }
  // Leaves the message as it was before it was signed.
  void take_signature() {
    std::size_t size = message_.size();
    if (const std::string wrong = session_.take_reply(message_, now(), &size); !wrong.empty()) {
      throw Failed{wrong};
    }
    if (size == message_.size()) return;
    message_.resize(size);
    std::uint8_t* const records = message_.data() + 10;
    dns::store_u16(records, static_cast<std::uint16_t>(dns::load_u16(records) - 1));
  }
  [[noreturn]] void fail(int error) {
    ::close(fd_);
    fd_ = -1;  // a constructor that throws has no destructor
    throw Failed{words_of(error)};
  }
  void read_all(std::span<std::uint8_t> to) {
    while (!to.empty()) {
      const ssize_t got = ::recv(fd_, to.data(), to.size(), 0);
      if (got > 0) {
        to = to.subspan(static_cast<std::size_t>(got));
      } else if (got == 0) {
        throw Failed{"it closed the connection"};
      } else if (errno == EAGAIN) {
        wait(POLLIN);
      } else if (errno != EINTR) {
        fail(errno);
      }
      if (Clock::now() >= end_) fail(ETIMEDOUT);
    }
  }
  void wait(short events) {
    constexpr std::chrono::milliseconds kSlice{200};
    const auto silent = std::min(end_, Clock::now() + kPrimarySilence);
    for (;;) {
      if (abandoned_) fail(ECANCELED);
      pollfd waiting{fd_, events, 0};
      if (::poll(&waiting, 1, static_cast<int>(kSlice.count())) > 0) return;
      if (Clock::now() >= silent) fail(ETIMEDOUT);
    }
  }

  const std::shared_ptr<const dns::TsigKey> key_;  // nullptr: nothing is signed
  dns::TsigSession session_;
  const std::atomic<bool>& abandoned_;
  const Clock::time_point end_;
  int fd_ = -1;
  std::vector<std::uint8_t> message_;
};

std::uint32_t serial_of(Primary& primary, const dns::Name& zone) {
  const std::uint16_t id = primary.ask(zone, dns::RRType::SOA);
  const auto message = dns::read_message(primary.read());
  primary.expect_signed();
  if (!message) throw Failed{"its SOA cannot be read: " + message.error().message()};
  if (message->id != id || (message->flags & dns::kFlagQR) == 0) {
    throw Failed{"a message is no reply to the query"};
  }
  if (message->rcode != 0) throw Failed{"rcode was " + dns::rcode_to_text(message->rcode)};
  for (const dns::Record& record : message->answer) {
    // The serial is the first of five numbers at the end.
    if (record.type != dns::RRType::SOA || record.rdata.size() < 22 ||
        !dns::equal_ignoring_case(record.owner.view(), zone.view())) {
      continue;
    }
    return dns::load_u32(record.rdata.data() + record.rdata.size() - 20);
  }
  throw Failed{"there is no SOA in its answer"};
}

// False: there is nothing new.
bool fetch_from(const dns::Endpoint& endpoint, const dns::Name& zone,
                std::optional<std::uint32_t> have, const std::shared_ptr<const dns::TsigKey>& key,
                const std::atomic<bool>& abandoned, ZoneFetch& fetch) {
  Primary primary(endpoint, key, abandoned);
  if (have && zones::is_at_or_after(*have, serial_of(primary, zone))) return false;
  zones::TransferReader reader(zone, primary.ask(zone, dns::RRType::AXFR));
  for (;;) {
    switch (reader.take(primary.read())) {
      case zones::TransferReader::State::More: continue;
      case zones::TransferReader::State::Failed: throw Failed{reader.error()};
      case zones::TransferReader::State::Done: break;
    }
    break;
  }
  primary.expect_signed();
  std::string error;
  fetch.table = reader.finish(&error, &fetch.warnings);
  if (fetch.table == nullptr) throw Failed{error};
  if (reader.outside() != 0) {
    fetch.warnings.push_back(std::to_string(reader.outside()) +
                             " records are not in the zone, and left out");
  }
  return true;
}

}  // namespace

ZoneFetch fetch_zone(const dns::Name& zone, std::span<const dns::Endpoint> primaries,
                     std::optional<std::uint32_t> have,
                     const std::shared_ptr<const dns::TsigKey>& key,
                     const std::atomic<bool>& abandoned) {
  ZoneFetch fetch;
  for (const dns::Endpoint& primary : primaries) {
    if (abandoned) break;
    fetch.from = primary.to_string();
    fetch.warnings.clear();
    try {
      const bool fetched = fetch_from(primary, zone, have, key, abandoned, fetch);
      fetch.what = fetched ? ZoneFetch::What::Fetched : ZoneFetch::What::Unchanged;
      return fetch;
    } catch (const Failed& failed) {
      fetch.error += (fetch.error.empty() ? "" : "; ") + fetch.from + ": " + failed.why;
    } catch (const std::bad_alloc&) {
      fetch.error += (fetch.error.empty() ? "" : "; ") + fetch.from + ": out of memory";
    }
  }
  return fetch;
}

}  // namespace clusterdns::app
