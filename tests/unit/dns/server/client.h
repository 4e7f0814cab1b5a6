// A client of respond(): asks one route, or several, and keeps what comes back, now or later.
#pragma once

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
  using Script = std::function<dns::Verdict(dns::QueryContext&)>;
  explicit ScriptedStage(Script script) : script_(std::move(script)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "scripted"; }
  [[nodiscard]] dns::Verdict handle(dns::QueryContext& ctx) noexcept override {
    return script_(ctx);
  }

 private:
  Script script_;
};

class Client {
 public:
  Client() {
    ctx_->client = endpoint("127.0.0.1");
    ctx_->local = endpoint("127.0.0.1", 53);
    ctx_->worker = &worker;
    ctx_->listener = this;
    ctx_->make_channel = [](void* self, const dns::QueryContext&) {
      return std::unique_ptr<dns::ReplyChannel>(new Channel(static_cast<Client*>(self)));
    };
  }

  // The response in wire form; empty when nothing was sent.
  Octets send(const dns::ListenerRoutes& routes, std::span<const std::uint8_t> request,
              std::size_t limit = dns::kMaxMessageSize) {
    const Packet packet(request);
    Octets out(limit);
    out.resize(dns::respond(*ctx_, routes, packet.view(), out.data(), limit));
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

  [[nodiscard]] dns::QueryContext& context() { return *ctx_; }
  void use(dns::Transport transport) { ctx_->transport = transport; }
  void from(const std::string& address) { ctx_->client = endpoint(address); }

  dns::WorkerContext worker;
  Octets raw;                 // the last response
  std::vector<Octets> later;  // what deferred queries sent

 private:
  struct Channel final : dns::ReplyChannel {
    explicit Channel(Client* c) : client(c) {}
    void send(std::span<const std::uint8_t> message) noexcept override {
      client->later.emplace_back(message.begin(), message.end());
    }
    Client* client;
  };

  std::unique_ptr<dns::QueryContext> ctx_ = std::make_unique<dns::QueryContext>();
};

}  // namespace clusterdns::unit
