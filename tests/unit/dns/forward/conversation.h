// Scripted conversations: a client, a route, and upstreams of our own on loopback, all in one
// io_context and driven step by step.
#pragma once

#include <gtest/gtest.h>

#include <boost/asio.hpp>
#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "dns/forward/forward_stage.h"
#include "dns/forward/upstream_address.h"
#include "dns/query/encoder.h"
#include "dns/query/stage.h"
#include "dns/resolve/resolution.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/query_parser.h"

namespace clusterdns::dns::testing {

using Octets = std::vector<std::uint8_t>;

inline Name name(const std::string& text) { return Name::from_text(text).value(); }

inline Record a_record(const std::string& owner, const std::string& address,
                       std::uint32_t ttl = 60) {
  const auto bytes = boost::asio::ip::make_address_v4(address).to_bytes();
  return {name(owner), RRType::A, RRClass::IN, ttl, {bytes.begin(), bytes.end()}};
}

inline Record name_record(const std::string& owner, RRType type, const std::string& target,
                          std::uint32_t ttl = 60) {
  const Name wire = name(target);
  return {name(owner), type, RRClass::IN, ttl, {wire.data(), wire.data() + wire.size()}};
}

inline Record soa_record(const std::string& owner) {
  Octets rdata;
  for (const char* part : {"ns.invalid", "host.invalid"}) {
    const Name wire = name(part);
    rdata.insert(rdata.end(), wire.data(), wire.data() + wire.size());
  }
  rdata.resize(rdata.size() + 20, 1);
  return {name(owner), RRType::SOA, RRClass::IN, 30, rdata};
}

struct Ask {
  std::string qname;
  RRType type = RRType::A;
  bool edns = false;
  std::uint16_t udp_size = 1232;
  bool dnssec_ok = false;
  Octets options{};
  RRClass rrclass = RRClass::IN;
  std::uint16_t id = 0x1234;
  Transport transport = Transport::Udp;
  std::string client = "127.0.0.1";
  std::uint16_t flags = kFlagRD;
};

inline Octets request_of(const Ask& ask) {
  Message message;
  message.id = ask.id;
  message.flags = ask.flags;
  message.has_question = true;
  message.qname = name(ask.qname);
  message.qtype = ask.type;
  message.qclass = ask.rrclass;
  message.has_opt = ask.edns;
  message.opt_udp_size = ask.udp_size;
  message.opt_ttl = ask.dnssec_ok ? 0x8000 : 0;
  message.opt_options = ask.options;
  return write_message(message, kMaxMessageSize);
}

// A response to `request` with everything else still to be filled in.
inline Message reply_to(const Octets& request) {
  Message reply = read_message(request).value();
  reply.flags = static_cast<std::uint16_t>(reply.flags | kFlagQR | kFlagRA);
  reply.rcode = 0;
  return reply;
}

// An upstream. `script` sees each request and says what to send, if anything.
class FakeUpstream {
 public:
  struct Request {
    Octets octets;
    Transport transport;
    std::uint16_t port;  // the client's
  };
  using Script = std::function<std::optional<Octets>(const Request&)>;

  explicit FakeUpstream(boost::asio::io_context& io) : udp_(io), acceptor_(io) {
    using boost::asio::ip::tcp;
    using boost::asio::ip::udp;
    const auto loopback = boost::asio::ip::address_v4::loopback();
    // The same free port for both.
    for (int tries = 0; tries < 100; ++tries) {
      udp_ = udp::socket(io, udp::endpoint(loopback, 0));
      acceptor_ = tcp::acceptor(io);
      acceptor_.open(tcp::v4());
      boost::system::error_code ec;
      acceptor_.bind(tcp::endpoint(loopback, udp_.local_endpoint().port()), ec);
      if (!ec) break;
    }
    acceptor_.listen();
    receive();
    accept();
  }

  [[nodiscard]] Endpoint endpoint() const {
    return make_endpoint(boost::asio::ip::address_v4::loopback(), udp_.local_endpoint().port());
  }
  void close_tcp() { acceptor_.close(); }
  // Says something unasked, from this upstream's address.
  void send(const Octets& message, std::uint16_t port) {
    udp_.send_to(boost::asio::buffer(message), {boost::asio::ip::address_v4::loopback(), port});
  }
  void close_tcp_connections() {
    for (const auto& connection : connections_) {
      if (const auto live = connection.lock()) {
        boost::system::error_code ec;
        live->socket.close(ec);
      }
    }
  }

  Script script;
  std::vector<Request> requests;
  unsigned most_answers = 0;    // behind which it closes a connection; 0: it does not
  std::size_t connections = 0;  // accepted so far

 private:
  struct Connection {
    explicit Connection(boost::asio::ip::tcp::socket s) : socket(std::move(s)) {}
    boost::asio::ip::tcp::socket socket;
    std::array<std::uint8_t, 2> size{};
    Octets request;
    unsigned answers = 0;
  };

  void receive() {
    udp_.async_receive_from(
        boost::asio::buffer(buffer_), peer_,
        [this](const boost::system::error_code& ec, std::size_t size) {
          if (ec == boost::asio::error::operation_aborted) return;
          if (!ec) {
            requests.push_back(
                {Octets(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(size)),
                 Transport::Udp, peer_.port()});
            if (const auto reply = script(requests.back())) {
              udp_.send_to(boost::asio::buffer(*reply), peer_);
            }
          }
          receive();
        });
  }
  void accept() {
    acceptor_.async_accept(
        [this](const boost::system::error_code& ec, boost::asio::ip::tcp::socket socket) {
          if (ec) return;
          auto connection = std::make_shared<Connection>(std::move(socket));
          connections_.push_back(connection);
          ++connections;
          read(connection);
          accept();
        });
  }
  void read(const std::shared_ptr<Connection>& c) {
    boost::asio::async_read(
        c->socket, boost::asio::buffer(c->size),
        [this, c](const boost::system::error_code& ec, std::size_t) {
          if (ec) return;
          c->request.resize(load_u16(c->size.data()));
          boost::asio::async_read(
              c->socket, boost::asio::buffer(c->request),
              [this, c](const boost::system::error_code& error, std::size_t) {
                if (error) return;
                requests.push_back(
                    {c->request, Transport::Tcp, c->socket.remote_endpoint().port()});
                if (const auto reply = script(requests.back())) {
                  Octets framed(2);
                  store_u16(framed.data(), static_cast<std::uint16_t>(reply->size()));
                  framed.insert(framed.end(), reply->begin(), reply->end());
                  boost::asio::write(c->socket, boost::asio::buffer(framed));
                  if (++c->answers == most_answers) return c->socket.close();
                }
                read(c);
              });
        });
  }

  boost::asio::ip::udp::socket udp_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::ip::udp::endpoint peer_;
  std::array<std::uint8_t, 65536> buffer_{};
  std::vector<std::weak_ptr<Connection>> connections_;
};

// Names in memory: text to an RRset, an alias, or nothing (an existing name without data).
class FakeZone final : public Stage, public LocalData {
 public:
  explicit FakeZone(const std::string& apex) : apex_(testing::name(apex)), soa_(soa_record(apex)) {}

  void add_a(const std::string& owner, const std::vector<std::string>& addresses) {
    Octets rows;
    for (const std::string& address : addresses) {
      const auto bytes = boost::asio::ip::make_address_v4(address).to_bytes();
      Octets row(kARowSize);
      store_u16(row.data(), 0xC00C);
      store_u16(row.data() + 2, 1);
      store_u16(row.data() + 4, 1);
      store_u32(row.data() + 6, kTtl);
      store_u16(row.data() + 10, 4);
      std::copy(bytes.begin(), bytes.end(), row.begin() + 12);
      rows.insert(rows.end(), row.begin(), row.end());
    }
    rows_[testing::name(owner).to_text()] = rows;
  }
  void add_alias(const std::string& owner, const std::string& target) {
    aliases_.emplace(testing::name(owner).to_text(), testing::name(target));
  }
  void add_empty(const std::string& owner) { rows_[testing::name(owner).to_text()] = {}; }
  void not_ready() { ready_ = false; }
  // What is not here goes on to the next stage.
  void fall_through() { falls_through_ = true; }

  [[nodiscard]] std::string_view name() const noexcept override { return "fake"; }
  [[nodiscard]] LocalData* local_data() noexcept override { return this; }
  // As the cluster stage does it.
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override {
    const Query& query = exchange.query;
    const auto outcome = look_up(query.name(), query.qtype, 0, exchange.answer, *exchange.worker);
    if (outcome.found == Found::NotMine || outcome.found == Found::FallsThrough) {
      return Verdict::Next;
    }
    exchange.answer.authoritative = true;
    std::uint8_t last = 0;
    return resolve_local(*exchange.route, *exchange.worker, query.name(), query.qtype,
                         exchange.answer, &last, &outcome, this) == LocalResult::Outside
               ? finish_outside(exchange, last)
               : Verdict::Answered;
  }

  Outcome look_up(NameView owner_name, RRType type, std::uint8_t owner, Answer& answer,
                  const WorkerContext&) noexcept override {
    Outcome outcome;
    if (!has_suffix_ignoring_case(owner_name, apex_.view())) return outcome;
    ++look_ups;
    outcome.ttl = kTtl;
    outcome.zone_size = static_cast<std::uint8_t>(apex_.size());
    if (!ready_) {
      static constexpr ExtendedErrorNote kNotReady{true, ExtendedError::NotReady, "not ready"};
      outcome.found = Found::NotReady;
      outcome.error = &kNotReady;
      return outcome;
    }
    const std::string key = name_to_text(owner_name);
    if (const auto alias = aliases_.find(key); alias != aliases_.end()) {
      outcome.found = Found::Alias;
      outcome.alias = alias->second.view();
      return outcome;
    }
    const auto rows = rows_.find(key);
    if (rows == rows_.end()) {
      outcome.found = falls_through_ ? Found::FallsThrough : Found::NXDomain;
    } else if (type != RRType::A || rows->second.empty()) {
      outcome.found = Found::NoData;
    } else {
      outcome.found = Found::Data;
      RRsetRef& rrset = answer.next_answer();
      rrset = {};
      rrset.write = &write_rows;
      rrset.data = rows->second.data();
      rrset.count = static_cast<std::uint32_t>(rows->second.size() / kARowSize);
      rrset.ttl = kTtl;
      rrset.type = RRType::A;
      rrset.owner = owner;
    }
    return outcome;
  }
  void add_soa(NameView, std::uint8_t, Answer& answer) noexcept override {
    const std::uint8_t owner =
        answer.add_name(apex_.data(), static_cast<std::uint8_t>(apex_.size()));
    RRsetRef& soa = answer.next_authority();
    soa = {};
    soa.write = &write_rdata;
    soa.data = soa_.rdata.data();
    soa.count = static_cast<std::uint32_t>(soa_.rdata.size());
    soa.ttl = kTtl;
    soa.type = RRType::SOA;
    soa.owner = owner;
  }

  static constexpr std::uint32_t kTtl = 5;
  unsigned look_ups = 0;

 private:
  Name apex_;
  Record soa_;
  bool ready_ = true;
  bool falls_through_ = false;
  std::map<std::string, Octets> rows_;
  std::map<std::string, Name> aliases_;
};

// Timings short enough for a test that waits for them, long enough for a busy machine: how often an
// upstream is asked is counted, so this process must not stand still for as long as a retry takes.
inline ForwardTimings quick_timings() {
  ForwardTimings timings;
  timings.retry_after = std::chrono::milliseconds(400);
  timings.give_up = std::chrono::milliseconds(1600);
  timings.tick = std::chrono::milliseconds(10);
  timings.probe_every = std::chrono::milliseconds(200);
  return timings;
}

class ConversationTest : public ::testing::Test {
 protected:
  ConversationTest() {
    worker_.io = &io_;
    route_->udp_size = kDefaultUdpSize;
  }
  ~ConversationTest() override { detach(); }

  // A deferred query's way back.
  struct Channel final : ReplyChannel {
    explicit Channel(std::shared_ptr<std::vector<Octets>> r) : replies(std::move(r)) {}
    void send(std::span<const std::uint8_t> message) noexcept override {
      replies->emplace_back(message.begin(), message.end());
    }
    std::shared_ptr<std::vector<Octets>> replies;
  };
  using Replies = std::shared_ptr<std::vector<Octets>>;

  void add_stage(std::shared_ptr<Stage> stage) {
    stage->attach(worker_);
    route_->stages.push_back(std::move(stage));
  }
  void detach() {
    if (detached_) return;
    detached_ = true;
    for (const auto& stage : route_->stages) stage->detach(worker_);
  }

  std::shared_ptr<ForwardStage> forward_to(const std::vector<Endpoint>& upstreams,
                                           ForwardTimings timings = quick_timings(),
                                           const std::string& zone = ".") {
    ForwardStage::Options options;
    options.zones = {name(zone)};
    options.forward.upstreams.assign(upstreams.begin(), upstreams.end());
    options.forward.policy = ForwardPolicy::Sequential;
    options.forward.timings = timings;
    auto stage = std::make_shared<ForwardStage>(std::move(options));
    add_stage(stage);
    return stage;
  }

  // Sends the query through the route; the answers, now or later, gather in the result.
  Replies start(const Ask& ask) {
    auto replies = std::make_shared<std::vector<Octets>>();
    Octets request = request_of(ask);
    const std::size_t size = request.size();
    request.resize(size + 16);
    auto exchange = std::make_unique<Exchange>();
    EXPECT_EQ(parse_query({request.data(), size}, exchange->query), Gate::Pass);
    exchange->recursion_available =
        find_upstream(*route_, exchange->query.name(), client_of(ask)) != nullptr;
    exchange->client = client_of(ask);
    exchange->transport = ask.transport;
    exchange->limit = ask.transport == Transport::Tcp ? kMaxMessageSize
                      : !ask.edns                     ? kMaxUdpWithoutEdns
                                                      : std::min(ask.udp_size, route_->udp_size);
    exchange->worker = &worker_;
    exchange->route = route_.get();
    exchange->listener = &replies;
    exchange->make_channel = [](void* listener) -> std::unique_ptr<ReplyChannel> {
      return std::make_unique<Channel>(*static_cast<Replies*>(listener));
    };
    exchange->start_answer();
    last_verdict_ = exchange->pass_through(0);
    if (last_verdict_ == Verdict::Answered && exchange->run_filters() == Verdict::Answered) {
      replies->push_back(exchange->encoded());
    }
    return replies;
  }

  static Endpoint client_of(const Ask& ask) {
    return make_endpoint(boost::asio::ip::make_address(ask.client), 40000);
  }

  // Runs until `done` or the deadline; false at the deadline.
  bool run_until(const std::function<bool()>& done,
                 std::chrono::milliseconds limit = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    io_.restart();
    while (!done()) {
      if (io_.run_one_until(deadline) == 0) return done();
    }
    return true;
  }

  Message converse(const Ask& ask) {
    const Replies replies = start(ask);
    EXPECT_TRUE(run_until([&] { return !replies->empty(); })) << ask.qname;
    if (replies->empty()) return {};
    raw_ = replies->front();
    auto message = read_message(raw_);
    EXPECT_TRUE(message.has_value()) << ask.qname;
    if (!message) return {};
    EXPECT_EQ(message->id, ask.id);
    return *message;
  }

  // The info code of the first Extended DNS Error (RFC 8914), -1 without one.
  static int extended_error(const Message& message, std::string* text = nullptr) {
    const Octets& o = message.opt_options;
    for (std::size_t at = 0; at + 4 <= o.size();) {
      const std::size_t size = load_u16(&o[at + 2]);
      if (load_u16(&o[at]) == 15 && size >= 2) {
        if (text != nullptr)
          text->assign(o.begin() + static_cast<std::ptrdiff_t>(at + 6),
                       o.begin() + static_cast<std::ptrdiff_t>(at + 4 + size));
        return load_u16(&o[at + 4]);
      }
      at += 4 + size;
    }
    return -1;
  }

  // "owner TYPE rdata" of every record of a section.
  static std::vector<std::string> lines(const std::vector<Record>& section) {
    std::vector<std::string> out;
    for (const Record& r : section) {
      out.push_back(r.owner.to_text() + " " + rrtype_to_text(r.type) + " " +
                    rdata_to_text(r.type, r.rdata));
    }
    return out;
  }

  boost::asio::io_context io_{1};
  WorkerContext worker_;
  std::shared_ptr<Route> route_ = std::make_shared<Route>();
  Verdict last_verdict_ = Verdict::Next;
  Octets raw_;
  bool detached_ = false;
};

}  // namespace clusterdns::dns::testing
