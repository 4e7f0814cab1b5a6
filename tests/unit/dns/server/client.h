// A client of respond(): asks one route, or several, and keeps what comes back, now or later.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "dns/server/responder.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::unit {

inline dns::Endpoint endpoint(const std::string& address, std::uint16_t port = 40000) {
  const auto parsed = boost::asio::ip::make_address(address);
  dns::Endpoint result;
  result.port = port;
  result.v6 = parsed.is_v6();
  if (result.v6) {
    result.address = parsed.to_v6().to_bytes();
  } else {
    const auto octets = parsed.to_v4().to_bytes();
    std::copy(octets.begin(), octets.end(), result.address.begin());
  }
  return result;
}

// A stage that does what the test says.
class ScriptedStage final : public dns::Stage {
 public:
  using Script = std::function<dns::Verdict(dns::Exchange&)>;
  explicit ScriptedStage(Script script) : script_(std::move(script)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "scripted"; }
  [[nodiscard]] dns::Verdict handle(dns::Exchange& exchange) noexcept override {
    return script_(exchange);
  }

 private:
  Script script_;
};

class Client {
 public:
  Client() {
    exchange_->client = endpoint("127.0.0.1");
    exchange_->local = endpoint("127.0.0.1", 53);
    worker.io = &io;
    exchange_->worker = &worker;
    exchange_->listener = this;
    exchange_->make_channel = [](void* self) {
      return std::unique_ptr<dns::ReplyChannel>(new Channel(static_cast<Client*>(self)));
    };
  }

  // The response in wire form; empty when nothing was sent.
  Octets send(const dns::ListenerRoutes& routes, std::span<const std::uint8_t> request,
              std::size_t limit = dns::kMaxMessageSize) {
    const Packet packet(request);
    Octets out(limit);
    out.resize(dns::respond(*exchange_, routes, packet.view(), out.data(), limit));
    // What was left for after the batch.
    io.restart();
    io.poll();
    if (out.empty() && !later.empty()) {
      out = std::move(later.front());
      later.erase(later.begin());
    }
    return out;
  }
  std::optional<dns::Message> ask(const dns::ListenerRoutes& routes, const Request& request,
                                  std::size_t limit = dns::kMaxMessageSize) {
    raw = send(routes, request.wire(), limit);
    if (raw.empty()) return std::nullopt;
    dns::Message message = decode(raw);
    EXPECT_EQ(message.id, request.id);
    EXPECT_NE(message.flags & dns::kFlagQR, 0);
    return message;
  }

  [[nodiscard]] dns::Exchange& context() { return *exchange_; }
  void use(dns::Transport transport) { exchange_->transport = transport; }
  void from(const std::string& address) { exchange_->client = endpoint(address); }

  boost::asio::io_context io{1};
  dns::WorkerContext worker;
  Octets raw;                 // the last response
  std::vector<Octets> later;  // what deferred queries sent
  bool reads = true;          // false: its socket is full after a message, and these wait
  std::vector<std::unique_ptr<dns::ReplyChannel::Waiter>> waiting;

 private:
  struct Channel final : dns::ReplyChannel {
    explicit Channel(Client* c) : client(c) {}
    void send(std::span<const std::uint8_t> message) noexcept override {
      client->later.emplace_back(message.begin(), message.end());
    }
    void when_room(std::unique_ptr<Waiter> waiter) override {
      if (client->reads) return waiter->has_room();
      client->waiting.push_back(std::move(waiter));
    }
    Client* client;
  };

  std::unique_ptr<dns::Exchange> exchange_ = std::make_unique<dns::Exchange>();
};

}  // namespace clusterdns::unit
