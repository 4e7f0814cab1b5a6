#include "app/commands/route_asker.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "app/corefile/error.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "dns/forward/forward_stage.h"
#include "dns/server/responder.h"

namespace clusterdns::app {
namespace {

// Longer than the upstreams' own patience.
constexpr std::chrono::seconds kPatience{15};

}  // namespace

struct OfflineServer::Channel final : dns::ReplyChannel {
  explicit Channel(OfflineServer* to) : server(to) {}
  void send(std::span<const std::uint8_t> message) noexcept override {
    server->later_.emplace(message.begin(), message.end());
  }
  OfflineServer* server;
};

OfflineServer::OfflineServer(const Corefile& corefile)
    : watcher_(std::make_shared<AnswerWatch>()),
      environment_{reclaim_, 1, make_silent_logger(), {}, {}, nullptr, true},
      exchange_(std::make_unique<dns::Exchange>()) {
  environment_.findings_stay = true;
  environment_.observer = watcher_;
  configuration_ = build_configuration(corefile, environment_, dns::kDnsPort);
  for (const ClusterData& data : environment_.clusters) {
    if (data.source->api() == nullptr) continue;
    throw std::runtime_error(
        "the configuration reads the Kubernetes API, which this command does "
        "not ask; name manifests with --manifests");
  }
  worker_.io = &io_;
  worker_.reclaim = &reclaim_;
  exchange_->worker = &worker_;
  exchange_->listener = this;
  exchange_->transport = dns::Transport::Tcp;
  exchange_->make_channel = [](void* self) {
    return std::unique_ptr<dns::ReplyChannel>(new Channel(static_cast<OfflineServer*>(self)));
  };
  set_client("127.0.0.1");
  for (const auto& listener : configuration_.listeners) {
    for (const auto& route : listener.routes.routes()) {
      for (const auto& stage : route->stages) {
        if (std::find(attached_.begin(), attached_.end(), stage) != attached_.end()) continue;
        stage->attach(worker_);
        attached_.push_back(stage);
      }
    }
  }
}

OfflineServer::~OfflineServer() {
  for (const auto& stage : attached_) stage->detach(worker_);
}

void OfflineServer::set_client(const std::string& address) {
  constexpr std::uint16_t kAnyPort = 40000;
  const auto client = boost::asio::ip::make_address(address);
  exchange_->client = dns::make_endpoint(client, kAnyPort);
  exchange_->local = dns::make_endpoint(client, dns::kDnsPort);
}

dns::ListenerRoutes OfflineServer::without(const std::vector<std::string_view>& stages) const {
  if (configuration_.listeners.empty()) return {};
  return routes_without(configuration_.listeners.front().routes, stages, watcher_);
}

ExplainedAnswer OfflineServer::ask(const dns::Name& name, dns::RRType type) {
  std::vector<std::string_view> left_out;
  if (!search_) left_out.emplace_back("search");
  return ask(without(left_out), name, type);
}

std::optional<ExplainedAnswer> OfflineServer::ask_outside(const dns::Name& name, dns::RRType type) {
  const dns::Route* const route = this->route(name);
  if (route == nullptr || !asks_outside(*route, name)) return std::nullopt;
  ExplainedAnswer answer = ask(without({"gateways", "search"}), name, type);
  if (answer.stage != "forward" && answer.stage != "cache") return std::nullopt;
  return answer;
}

const dns::Route* OfflineServer::route(const dns::Name& name) const {
  if (configuration_.listeners.empty()) return nullptr;
  return route_for(configuration_.listeners.front().routes, name);
}

std::vector<dns::Name> OfflineServer::search_list(const dns::Name& name) {
  const dns::Route* const route = search_ ? this->route(name) : nullptr;
  if (route == nullptr) return {};
  return search_names(*route, name, exchange_->client);
}

ExplainedAnswer OfflineServer::ask(const dns::ListenerRoutes& routes, const dns::Name& name,
                                   dns::RRType type) {
  const AskedQuestion question = question_message(name, type);
  std::map<std::string, std::uint64_t> requests;  // to each upstream, before
  const auto each_upstream = [&](auto&& visit) {
    for (const auto& stage : attached_) {
      const auto* const forward = dynamic_cast<const dns::ForwardStage*>(stage.get());
      if (forward == nullptr) continue;
      for (const auto& totals : forward->upstream_totals()) visit(totals);
    }
  };
  each_upstream(
      [&](const auto& totals) { requests[totals.endpoint.to_string()] = totals.requests; });
  watcher_->clear();
  later_.reset();
  std::vector<std::uint8_t> out(dns::kMaxMessageSize);
  exchange_->received_ns = dns::monotonic_ns();
  reclaim_.enter(0);
  out.resize(dns::respond(*exchange_, routes, {question.octets.data(), question.size}, out.data(),
                          out.size()));
  reclaim_.leave(0);
  if (out.empty()) {
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (!later_ && std::chrono::steady_clock::now() < end) {
      io_.restart();
      if (io_.run_one_until(end) == 0) break;
    }
    if (later_) out = std::move(*later_);
  }
  ExplainedAnswer result = read_reply(out);
  watcher_->note(result);
  if (!result.upstream.empty()) return result;
  // Nobody gave an answer: all that were asked.
  each_upstream([&](const auto& totals) {
    const std::string upstream = totals.endpoint.to_string();
    if (totals.requests == requests[upstream]) return;
    result.upstream += (result.upstream.empty() ? "" : " ") + upstream;
  });
  return result;
}

std::vector<ExplainedCluster> OfflineServer::clusters() const {
  return explained_clusters(environment_);
}

}  // namespace clusterdns::app
