#include "app/directives/evidence_json.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "app/base/json.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {

namespace json = boost::json;

namespace {

// Names and clients of one piece: an item has some 500 octets, seldom 4 KiB.
constexpr std::size_t kItems = 64;

json::object counts(const dns::WordCounts& words) {
  json::object value;
  for (const auto& [word, count] : words.all()) value[json_text(word)] = count;
  return value;
}

json::array times(const dns::EvidenceTimes& all) {
  json::array value;
  // To the microsecond.
  for (const double ms : all) value.emplace_back(std::round(ms * 1e3) / 1e3);
  return value;
}

json::object retries(const dns::EvidenceRetries& each) {
  return {{"same_id_port", each.same_id_port},
          {"same_port", each.same_port},
          {"new_port", each.new_port}};
}

json::object fallback(const dns::EvidenceFallback& each) {
  return {{"after_tc", each.after_tc}, {"after_silence", each.after_silence}};
}

json::object name_value(const dns::NameEvidence& name) {
  json::object again = retries(name.retries);
  again["intervals_ms"] = times(name.intervals);
  return {{"name", json_text(name.name)},
          {"type", json_text(dns::rrtype_to_text(name.type))},
          {"queries", name.queries},
          {"udp", name.udp},
          {"tcp", name.tcp},
          {"first", name.first},
          {"last", name.last},
          {"outcomes", counts(name.outcomes)},
          {"faults", counts(name.faults)},
          {"last_outcome", json_text_or_null(name.last_outcome)},
          {"retries", std::move(again)},
          {"repeats", name.repeats},
          {"tcp_fallback", fallback(name.fallback)}};
}

// Without its names.
json::object client_value(const dns::ClientEvidence& client) {
  json::array search;
  for (const auto& each : client.search) {
    search.emplace_back(
        json::object{{"base", json_text(each.base)}, {"names", json_texts(each.names)}});
  }
  return {{"client", json_text(client.client)},
          {"queries", client.queries},
          {"udp", client.udp},
          {"tcp", client.tcp},
          {"ports", client.ports},
          {"outcomes", counts(client.outcomes)},
          {"faults", counts(client.faults)},
          {"retries", retries(client.retries)},
          {"repeats", client.repeats},
          {"tcp_fallback", fallback(client.fallback)},
          {"edns",
           {{"none", client.without_edns},
            {"sizes", counts(client.sizes)},
            {"do", client.dnssec_ok},
            {"cookie", client.cookie}}},
          {"mixed_case", client.mixed_case},
          {"pairs",
           {{"both", client.both},
            {"a_first", client.a_first},
            {"aaaa_first", client.aaaa_first},
            {"one_socket", client.one_socket},
            {"two_sockets", client.two_sockets},
            {"a_only", client.a_only},
            {"aaaa_only", client.aaaa_only},
            {"gap_ms", times(client.gaps)}}},
          {"search", std::move(search)}};
}

json::object report_value(const dns::EvidenceReport& report, std::optional<std::uint64_t> seed) {
  return {{"since", report.since},
          {"now", report.now},
          {"seed", seed ? json::value(*seed) : nullptr},
          {"limits", {{"names", report.most_names}, {"clients", report.most_clients}}},
          {"evicted", {{"names", report.evicted_names}, {"clients", report.evicted_clients}}}};
}

// Leaves the object open, with a list in it that items follow.
void open_with(const json::object& value, std::string_view list, std::string& to) {
  to += json_line(value);
  to.pop_back();
  to += ',' + json_string(list) + ":[";
}

}  // namespace

bool EvidenceWriter::write(std::string& piece) {
  if (!std::exchange(begun_, true)) {
    open_with(report_value(evidence_->summary(), seed_), "clients", piece);
    return true;
  }
  const auto end_client = [&] {
    if (std::exchange(in_client_, false)) piece += "]}";
  };
  for (const dns::ClientEvidence& client : evidence_->part(filter_, place_, kItems)) {
    if (!client.goes_on) {
      end_client();
      if (std::exchange(after_client_, true)) piece += ',';
      open_with(client_value(client), "names", piece);
      in_client_ = true;
      after_name_ = false;
    }
    for (const dns::NameEvidence& name : client.names) {
      if (std::exchange(after_name_, true)) piece += ',';
      piece += json_line(name_value(name));
    }
  }
  if (!place_.at_end) return true;
  end_client();
  piece += "]}";
  return false;
}

std::string evidence_line_json(const dns::EvidenceLine& line) {
  json::array faults;
  if (line.note != nullptr) {
    std::size_t begin = 0;
    const std::string& words = line.note->faults;
    while (begin < words.size()) {
      const std::size_t end = std::min(words.find(' ', begin), words.size());
      faults.emplace_back(json_text(words.substr(begin, end - begin)));
      begin = end + 1;
    }
  }
  return json_line({{"time", std::chrono::duration<double>(line.time.time_since_epoch()).count()},
                    {"client", json_text(line.client.to_address().to_string())},
                    {"port", line.client.port},
                    {"transport", line.transport == dns::Transport::Udp ? "udp" : "tcp"},
                    {"id", line.query.id},
                    {"name", json_text(dns::name_to_text(line.query.name()))},
                    {"type", json_text(dns::rrtype_to_text(line.query.qtype))},
                    {"outcome", json_text(line.outcome)},
                    {"ms", std::round(line.ms * 1e3) / 1e3},
                    {"rule", json_text(line.note == nullptr ? std::string() : line.note->rule)},
                    {"faults", std::move(faults)}});
}

}  // namespace clusterdns::app
