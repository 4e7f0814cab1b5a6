#include "dns/query/stage.h"

#include <time.h>

#include "dns/query/encoder.h"
#include "dns/wire/plain_size.h"

namespace clusterdns::dns {

std::int64_t monotonic_ns() noexcept {
  timespec now;
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

boost::asio::ip::address Endpoint::to_address() const {
  if (!v6) {
    return boost::asio::ip::address_v4(
        {address[0], address[1], address[2], address[3]});
  }
  return boost::asio::ip::address_v6(address, scope_id);
}

std::string Endpoint::to_string() const {
  const std::string text = to_address().to_string();
  return v6 ? "[" + text + "]:" + std::to_string(port) : text + ":" + std::to_string(port);
}

std::unique_ptr<DeferredQuery> QueryContext::defer() {
  auto deferred = std::make_unique<DeferredQuery>();
  // The parser's padding travels with the packet, see parse_query.
  deferred->packet.reserve(query.size + kPadding);
  deferred->packet.assign(query.packet, query.packet + query.size);
  deferred->packet.resize(query.size + kPadding, 0);
  deferred->query = query;
  deferred->query.packet = deferred->packet.data();
  deferred->client = client;
  deferred->local = local;
  deferred->transport = transport;
  deferred->limit = limit;
  deferred->recursion_available = answer.recursion_available;
  deferred->received_ns = received_ns;
  deferred->stage = stage;
  deferred->route = route->shared_from_this();
  deferred->worker = worker;
  deferred->channel = make_channel(listener, *this);
  return deferred;
}

void DeferredQuery::finish(Answer& answer) noexcept {
  std::array<std::uint8_t, kMaxMessageSize> buffer;
  const std::size_t size =
      encode_answer(query, answer, route->udp_size, buffer.data(), limit);
  send({buffer.data(), size}, answer.error.set ? answer.error.text : "", answer.plain_size,
       RouteCounters::is_failure(static_cast<unsigned>(answer.rcode)));
}

void DeferredQuery::finish_raw(std::span<const std::uint8_t> message) noexcept {
  const bool wanted = route->counters != nullptr || !route->observers.empty();
  send(message, {}, wanted ? plain_size(message) : 0, false);
}

void DeferredQuery::send(std::span<const std::uint8_t> message, std::string_view cause,
                         std::size_t plain, bool failed) noexcept {
  if (!channel) return;
  channel->send(message);
  channel.reset();
  if (failed) stage = 0;
  if (route->counters != nullptr) {
    RouteCounters::Cell& cell = route->counters->cell(worker->index);
    RouteCounters::count(cell, {transport == Transport::Tcp, client.v6, query.qtype,
                                query.dnssec_ok, query.size, failed ? 0 : plain,
                                message[3] & 0xFU, stage});
    RouteCounters::observe_duration(cell, monotonic_ns() - received_ns);
  }
  if (route->observers.empty()) return;
  const AnswerObserver::Event event{query,   client, local,                    transport, received_ns,
                                    message, cause,  route->stage_name(stage), plain};
  for (const auto& observer : route->observers) observer->on_answer(event, *worker);
}

Upstream* find_upstream(const Route& route, NameView name, const Endpoint& client) noexcept {
  for (const auto& stage : route.stages) {
    Upstream* const upstream = stage->upstream();
    if (upstream != nullptr && upstream->covers(name) && upstream->allows(client)) return upstream;
  }
  return nullptr;
}

}  // namespace clusterdns::dns
