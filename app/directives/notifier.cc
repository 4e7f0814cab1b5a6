#include "app/directives/notifier.h"

#include <array>
#include <chrono>
#include <ctime>
#include <random>
#include <span>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dns/base/octets.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

using boost::asio::ip::udp;

constexpr unsigned kTries = 3;  // CoreDNS's
// Doubled with each try.
constexpr std::chrono::seconds kFirstWait{2};

std::uint64_t now() { return static_cast<std::uint64_t>(std::time(nullptr)); }

}  // namespace

std::vector<std::uint8_t> notify_message(std::uint16_t id, const dns::Name& zone) {
  std::vector<std::uint8_t> message(dns::kHeaderSize + zone.size() + 4);
  dns::store_u16(message.data(), id);
  constexpr auto kOpcode = static_cast<std::uint16_t>(dns::Opcode::Notify) << 11;
  dns::store_u16(message.data() + 2, static_cast<std::uint16_t>(kOpcode | dns::kFlagAA));
  dns::store_u16(message.data() + 4, 1);
  std::copy_n(zone.data(), zone.size(), message.data() + dns::kHeaderSize);
  std::uint8_t* const end = message.data() + dns::kHeaderSize + zone.size();
  dns::store_u16(end, static_cast<std::uint16_t>(dns::RRType::SOA));
  dns::store_u16(end + 2, static_cast<std::uint16_t>(dns::RRClass::IN));
  return message;
}

// One message to one server, until it says something or has been asked often enough.
class Notifier::Attempt final : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(boost::asio::io_context& io, Notifier& notifier, Wanted what)
      : wanted(std::move(what)), notifier_(&notifier), socket_(io), timer_(io) {}

  void begin() {
    const udp::endpoint to(wanted.to.to_address(), wanted.to.port);
    boost::system::error_code error;
    socket_.open(to.protocol(), error);
    if (!error && wanted.source) socket_.bind({*wanted.source, 0}, error);
    if (!error) socket_.connect(to, error);
    if (error) return end(error.message());
    message_ = notify_message(static_cast<std::uint16_t>(std::random_device()()), wanted.zone);
    if (wanted.key != nullptr) sign();
    send();
  }
  void abandon() noexcept {
    notifier_ = nullptr;
    boost::system::error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

  const Wanted wanted;

 private:
  void sign() {
    session_ = dns::TsigSession(wanted.key);
    std::size_t size = message_.size();
    message_.resize(size + dns::kMaxTsigRecord);
    size = session_.sign_request(message_.data(), size, now());
    message_.resize(size);
  }
  void send() {
    boost::system::error_code error;
    socket_.send(boost::asio::buffer(message_), 0, error);
    // A port that nobody listens on is told by an error like this; somebody may later.
    timer_.expires_after(kFirstWait * (1 << tries_));
    timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ended) {
      if (ended || self->notifier_ == nullptr) return;
      if (++self->tries_ == kTries) {
        return self->end(self->wrong_.empty() ? "there is no reply" : self->wrong_);
      }
      self->send();
    });
    if (tries_ == 0) receive();
  }
  void receive() {
    socket_.async_receive(boost::asio::buffer(reply_), [self = shared_from_this()](
                                                           const boost::system::error_code& error,
                                                           std::size_t size) {
      if (self->notifier_ == nullptr || error == boost::asio::error::operation_aborted) return;
      if (error || !self->is_reply(size)) return self->receive_again(error);
      if (self->wanted.key != nullptr) {
        std::size_t end = 0;
        const std::string wrong = self->session_.take_reply(
            std::span<const std::uint8_t>(self->reply_).first(size), now(), &end);
        // Anybody can say something unsigned: the one that is asked may still come (RFC 8945
        // section 5.4).
        if (!wrong.empty()) {
          self->wrong_ = wrong;
          return self->receive();
        }
      }
      const unsigned rcode = self->reply_[3] & 0xF;
      self->end(rcode == 0 ? ""
                           : "rcode was " + dns::rcode_to_text(static_cast<std::uint16_t>(rcode)));
    });
  }
  // An error of the kernel is about what was sent; waiting for the timer keeps it from turning
  // fast.
  void receive_again(const boost::system::error_code& error) {
    if (!error || error == boost::asio::error::connection_refused) return receive();
    end(error.message());
  }
  [[nodiscard]] bool is_reply(std::size_t size) const noexcept {
    return size >= dns::kHeaderSize && reply_[0] == message_[0] && reply_[1] == message_[1] &&
           (reply_[2] & 0x80) != 0 && (reply_[2] & 0x78) == (message_[2] & 0x78);
  }
  void end(const std::string& error) {
    Notifier* const notifier = notifier_;
    abandon();
    if (notifier != nullptr) notifier->end(shared_from_this(), error);
  }

  Notifier* notifier_;  // nullptr: nobody waits any more
  udp::socket socket_;
  boost::asio::steady_timer timer_;
  std::vector<std::uint8_t> message_;
  dns::TsigSession session_;
  std::array<std::uint8_t, 1232> reply_{};
  unsigned tries_ = 0;
  std::string wrong_;  // with the last reply that was none
};

Notifier::Notifier(std::shared_ptr<spdlog::logger> logger, const void* of)
    : logger_(std::move(logger)), of_(of) {}
Notifier::~Notifier() { stop(); }

void Notifier::notify(const std::vector<dns::Name>& zones) {
  if (io_ == nullptr) return;
  for (const dns::Name& zone : zones) {
    const Rule* best = nullptr;
    std::size_t longest = 0;
    for (const Rule& rule : rules_) {
      const std::size_t at = rule.zones.find(zone.view());
      if (at == dns::ZoneSet::kNone || rule.zones[at].size() <= longest) continue;
      longest = rule.zones[at].size();
      best = &rule;
    }
    if (best == nullptr) continue;
    for (const dns::Endpoint& to : best->to) {
      if (waiting_.size() < kMaxNotifies) waiting_.push_back({zone, to, best->source, best->key});
    }
  }
  begin_more();
}

void Notifier::begin_more() {
  while (!waiting_.empty() && under_way_.size() < kMaxNotifiesUnderWay) {
    const auto attempt = std::make_shared<Attempt>(*io_, *this, std::move(waiting_.front()));
    waiting_.pop_front();
    under_way_.insert(attempt);
    attempt->begin();
  }
}

void Notifier::end(const std::shared_ptr<Attempt>& attempt, const std::string& error) {
  if (!error.empty()) {
    logger_->warn("plugin/transfer: notify for zone \"{}\" was not accepted by \"{}\": {}",
                  attempt->wanted.zone.to_text(), attempt->wanted.to.to_string(), error);
  }
  under_way_.erase(attempt);
  // Posted: this may come from within begin_more().
  boost::asio::post(*io_, [this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) begin_more();
  });
}

void Notifier::start(boost::asio::io_context& io) {
  io_ = &io;
  alive_ = std::make_shared<int>();
  std::vector<dns::Name> all;
  for (const auto& source : sources_) {
    const zones::ZoneList& list = source->zones();
    for (std::size_t i = 0; i < list.names.size(); ++i) {
      if (list.tables[i] != nullptr) all.emplace_back(list.names[i]);
    }
  }
  notify(all);
}

void Notifier::stop() noexcept {
  alive_.reset();
  io_ = nullptr;
  waiting_.clear();
  for (const auto& attempt : under_way_) attempt->abandon();
  under_way_.clear();
}

}  // namespace clusterdns::app
