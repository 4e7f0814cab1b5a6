#include "app/views/asking.h"

#include <algorithm>
#include <utility>

#include "app/views/object_places.h"
#include "dns/search/search_stage.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/query_writer.h"

namespace clusterdns::app {
namespace {

// The text of an Extended DNS Error (RFC 8914).
std::string extended_error(const dns::Message& message) {
  constexpr unsigned kOption = 15;
  const std::vector<std::uint8_t>& options = message.opt_options;
  for (std::size_t at = 0; at + 4 <= options.size();) {
    const std::size_t size = dns::load_u16(&options[at + 2]);
    if (at + 4 + size > options.size()) break;
    if (dns::load_u16(&options[at]) == kOption && size >= 2) {
      return {options.begin() + static_cast<std::ptrdiff_t>(at + 6),
              options.begin() + static_cast<std::ptrdiff_t>(at + 4 + size)};
    }
    at += 4 + size;
  }
  return "";
}

}  // namespace

AskedQuestion question_message(const dns::Name& name, dns::RRType type) {
  AskedQuestion question;
  question.octets.resize(dns::kMaxWrittenQuery + dns::kPadding);
  question.size =
      dns::write_query({.name = name.view(), .type = type, .edns = true}, question.octets.data());
  return question;
}

ExplainedAnswer read_reply(std::span<const std::uint8_t> octets) {
  ExplainedAnswer result;
  const auto message = dns::read_message(octets);
  if (!message) {
    result.rcode = octets.empty() ? "TIMEOUT" : "FORMERR";
    return result;
  }
  result.rcode = dns::rcode_to_text(message->rcode);
  result.error = extended_error(*message);
  for (const dns::Record& record : message->answer) {
    result.records.push_back({record.owner.to_text(), dns::rrtype_to_text(record.type), record.ttl,
                              dns::rdata_to_text(record.type, record.rdata)});
  }
  return result;
}

void AnswerWatch::on_answer(const Event& event, dns::WorkerContext&) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    stage_ = event.stage;
    upstream_ = event.upstream;
    age_ = event.age;
  } catch (...) {
    // No memory: the explanation does not name who answered.
  }
}

void AnswerWatch::clear() {
  const std::lock_guard lock(mutex_);
  stage_.clear();
  upstream_ = {};
}

void AnswerWatch::note(ExplainedAnswer& answer) const {
  const std::lock_guard lock(mutex_);
  answer.stage = stage_;
  if (upstream_.port != 0) {
    answer.upstream = upstream_.to_string();
  } else if (stage_ == "cache" && age_ != dns::Answer::kNoAge) {
    answer.age = age_;
  }
}

dns::ListenerRoutes routes_without(const dns::ListenerRoutes& routes,
                                   const std::vector<std::string_view>& stages,
                                   std::shared_ptr<dns::AnswerObserver> observer) {
  dns::ListenerRoutes result = routes.with_routes([&](const dns::Route& route) {
    auto copy = std::make_shared<dns::Route>(route);
    copy->counters = nullptr;
    copy->observers.clear();
    if (observer != nullptr) copy->observers.push_back(observer);
    std::erase_if(copy->stages, [&](const auto& stage) {
      return std::find(stages.begin(), stages.end(), stage->name()) != stages.end();
    });
    return copy;
  });
  result.dropped = nullptr;
  return result;
}

const dns::Route* route_for(const dns::ListenerRoutes& routes, const dns::Name& name) {
  const dns::Route* found = nullptr;
  std::size_t longest = 0;
  dns::Name lower = name;
  lower.make_lower();
  for (const auto& route : routes.routes()) {
    const auto zone = dns::Name::from_text(route->zone_text);
    if (!zone || !lower.is_at_or_below(zone->view()) || zone->size() < longest) continue;
    longest = zone->size();
    found = route.get();
  }
  return found;
}

bool asks_outside(const dns::Route& route, const dns::Name& name) {
  dns::Name lower = name;
  lower.make_lower();
  return std::any_of(route.stages.begin(), route.stages.end(), [&](const auto& stage) {
    return stage->upstream() != nullptr && stage->upstream()->covers(lower.view());
  });
}

std::vector<dns::Name> search_names(const dns::Route& route, const dns::Name& name,
                                    const dns::Endpoint& client) {
  std::vector<dns::Name> list;
  if (name.is_root()) return list;
  for (const auto& stage : route.stages) {
    const auto* const search = dynamic_cast<const dns::SearchStage*>(stage.get());
    if (search == nullptr) continue;
    const auto& options = search->options();
    if (name.label_count() - 1 >= options.ndots || !options.clients.contains(client)) continue;
    for (const dns::Name& suffix : options.suffixes) {
      if (const auto made = name.append(suffix.view())) list.push_back(*made);
    }
  }
  return list;
}

std::vector<ExplainedCluster> explained_clusters(const Environment& environment) {
  std::vector<ExplainedCluster> clusters;
  std::vector<const ClusterSource*> sources;
  const auto of_source = [&](const std::shared_ptr<ClusterSource>& source) -> ExplainedCluster& {
    const auto at = std::find(sources.begin(), sources.end(), source.get());
    if (at != sources.end()) return clusters[static_cast<std::size_t>(at - sources.begin())];
    sources.push_back(source.get());
    ExplainedCluster& cluster = clusters.emplace_back();
    cluster.settings.gateways = false;
    cluster.store = &source->store();
    cluster.has_api = source->api() != nullptr;
    if (source->manifests() != nullptr) {
      cluster.place = [places = std::make_shared<const ObjectPlaces>(*source->manifests())](
                          const registry::gateways::ObjectName& object) {
        return places->find(object);
      };
    }
    return cluster;
  };
  for (const ServedGateways& served : environment.gateways) {
    ExplainedCluster& cluster = of_source(served.source);
    if (cluster.settings.gateways) continue;
    cluster.settings.gateways = true;
    cluster.settings.plan = served.options.plan;
    cluster.settings.ingress = served.options.ingress;
  }
  for (const ServedCluster& served : environment.served) {
    ExplainedCluster& cluster = of_source(served.source);
    cluster.zones.insert(cluster.zones.end(), served.zones.begin(), served.zones.end());
  }
  for (const ServedGateways& served : environment.gateways) {
    ExplainedCluster& cluster = of_source(served.source);
    if (cluster.zones.empty()) cluster.zones = served.cluster_zones;
  }
  return clusters;
}

}  // namespace clusterdns::app
