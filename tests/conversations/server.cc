#include "tests/conversations/server.h"

#include <algorithm>
#include <chrono>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "dns/query/route_counters.h"
#include "dns/server/responder.h"

namespace clusterdns {
namespace {

// The network of the server that is there.
dns::ScriptedNetwork* clock_of = nullptr;

}  // namespace

// This program's only clock, in place of dns/query/clock.cc.
std::int64_t dns::monotonic_ns() noexcept {
  return std::chrono::nanoseconds(clock_of->now().time_since_epoch()).count();
}

}  // namespace clusterdns

namespace clusterdns::conversation {
namespace {

constexpr std::uint16_t kDnsPort = 53;

struct Channel final : dns::ReplyChannel {
  explicit Channel(Server::Answers to) : answers(std::move(to)) {}
  void send(std::span<const std::uint8_t> message) noexcept override {
    answers->emplace_back(message.begin(), message.end());
  }
  Server::Answers answers;
};

}  // namespace

Server::Server(const Script& script, std::map<std::string, std::string> environment)
    : environment_{reclaim_, 1, app::make_silent_logger(), {}, {}, nullptr, false} {
  clock_of = network_.get();
  worker_.io = &io_;
  worker_.reclaim = &reclaim_;
  worker_.network = network_;
  environment_.metrics = metrics_;
  // This machine may have an upstream's address.
  environment_.interfaces.clear();
  app::ParseOptions options;
  options.environment = [&environment](const std::string& name) -> std::optional<std::string> {
    const auto found = environment.find(name);
    if (found == environment.end()) return std::nullopt;
    return found->second;
  };
  configuration_ = app::build_configuration(
      app::parse_corefile(script.corefile, script.file, options), environment_, kDnsPort);
  metrics_->replace(environment_.plugins, environment_.collectors);
  for (const auto& route : configuration_.listeners.front().routes.routes()) {
    for (const auto& stage : route->stages) {
      if (std::find(stages_.begin(), stages_.end(), stage) == stages_.end()) {
        stages_.push_back(stage);
      }
    }
  }
  for (const auto& stage : stages_) stage->attach(worker_);
  network_->run_posted();
}

Server::~Server() {
  network_->stop();
  for (const auto& stage : stages_) stage->detach(worker_);
}

Server::Answers Server::ask(Octets request, const dns::Endpoint& client, dns::Transport transport) {
  auto answers = std::make_shared<std::vector<Octets>>();
  const std::size_t size = request.size();
  request.resize(size + dns::kPadding);
  scratch_.client = client;
  scratch_.local = {};
  scratch_.transport = transport;
  scratch_.received_ns = dns::monotonic_ns();
  scratch_.worker = &worker_;
  scratch_.listener = &answers;
  scratch_.make_channel = [](void* listener) -> std::unique_ptr<dns::ReplyChannel> {
    return std::make_unique<Channel>(*static_cast<Answers*>(listener));
  };
  Octets out(dns::kMaxMessageSize);
  reclaim_.enter(worker_.index);
  out.resize(dns::respond(scratch_, configuration_.listeners.front().routes, {request.data(), size},
                          out.data(), out.size()));
  reclaim_.leave(worker_.index);
  dns::RouteCounters::end_batch(worker_.open_durations, 0);
  if (!out.empty()) answers->push_back(std::move(out));
  network_->run_posted();
  reclaim_.collect();
  return answers;
}

}  // namespace clusterdns::conversation
