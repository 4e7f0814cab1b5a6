#include "app/directives/query_format.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <iterator>
#include <utility>

#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kCombinedFormat =
    "{remote}:{port} - {>id} \"{type} {class} {name} {proto} {size} {>do} {>bufsize}\" {rcode} "
    "{>rflags} {rsize} {duration} \"{>opcode}\"";

constexpr std::string_view kTokens[] = {
    "type", "name",  "class",   "proto", "size",     "remote", "port",     "local",
    ">id",  "rcode", ">opcode", ">do",   ">bufsize", "rsize",  "duration", ">rflags"};

constexpr std::string_view kOfResponse[] = {"rcode", ">rflags"};
constexpr std::string_view kOfClient[] = {"remote", "port", ">bufsize"};

template <std::size_t n>
bool is_one_of(std::string_view word, const std::string_view (&words)[n]) {
  return std::find(std::begin(words), std::end(words), word) != std::end(words);
}

std::string address(const dns::Endpoint& endpoint) {
  const std::string text = endpoint.to_address().to_string();
  return endpoint.v6 ? "[" + text + "]" : text;
}

}  // namespace

QueryFormat::QueryFormat(std::string_view format,
                         std::shared_ptr<const dns::MetadataSource> metadata)
    : metadata_(std::move(metadata)), parts_{""} {
  add(format);
}

std::string QueryFormat::text(const dns::AnswerObserver::Event& event, unsigned worker) const {
  std::string text;
  for (std::size_t i = 0; i < parts_.size(); ++i) {
    const std::string& part = parts_[i];
    if (i % 2 == 1 && part.starts_with('/') && metadata_ != nullptr) {
      const std::string known = metadata_->value(
          std::string_view(part).substr(1), {event.query, event.client, event.received_ns, worker});
      if (!known.empty()) {
        text += known;
        continue;
      }
    }
    text += i % 2 == 0 ? part : value(part, event);
  }
  return text;
}

void QueryFormat::add(std::string_view format) {
  for (std::size_t at = 0; at < format.size();) {
    // "{ {name} }": only the innermost braces are a token.
    const std::size_t end = format[at] == '{' ? format.find_first_of("{}", at + 1) : format.npos;
    if (end == format.npos || format[end] == '{') {
      const std::size_t next = std::min(format.find('{', at + 1), format.size());
      parts_.back() += format.substr(at, next - at);
      at = next;
      continue;
    }
    const std::string token(format.substr(at + 1, end - at - 1));
    if (token == "common" || token == "combined") {
      add(token == "common" ? kCommonFormat : kCombinedFormat);
    } else if (token.starts_with('/') || is_one_of(token, kTokens)) {
      parts_.push_back(token);
      parts_.emplace_back();
    } else {
      parts_.back() += "{" + token + "}";
    }
    at = end + 1;
  }
}

std::string QueryFormat::seconds(std::int64_t ns) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<double>(ns) / 1e9,
                                 std::chars_format::fixed);
  return {buffer, end.ptr};
}

std::string QueryFormat::value(std::string_view token, const dns::AnswerObserver::Event& event) {
  const dns::Query& query = event.query;
  if (token == "/forward/upstream" && event.upstream.port != 0) return event.upstream.to_string();
  if (event.response.empty() && is_one_of(token, kOfResponse)) return "-";
  if (event.client.port == 0 && is_one_of(token, kOfClient)) return "-";
  std::uint16_t flags =
      event.response.empty() ? std::uint16_t{0} : dns::load_u16(event.response.data() + 2);
  // CoreDNS's plugins do not write failures: what it logs is a bare response made of the query.
  if (event.stage.empty()) flags &= 0x7800 | dns::kFlagQR | dns::kFlagRD | dns::kFlagCD | 0xF;
  if (token == "type") return dns::rrtype_to_text(query.qtype);
  if (token == "class") return dns::rrclass_to_text(query.qclass);
  if (token == "name") return dns::name_to_text(query.name());
  if (token == "proto") return event.transport == dns::Transport::Udp ? "udp" : "tcp";
  if (token == "remote") return address(event.client);
  if (token == "local") return address(event.local);
  if (token == "port") return std::to_string(event.client.port);
  if (token == "size") {
    // CoreDNS looks when it has taken the EDNS options out of the query, to answer with its OPT.
    const bool answered = query.has_edns && !event.stage.empty() && !event.response.empty();
    const std::size_t options =
        answered ? query.opt_end - query.opt_offset - dns::kOptRecordSize : 0;
    return std::to_string(query.size - options);
  }
  if (token == "rcode") return dns::rcode_to_text(flags & 0xF);
  if (token == "rsize") return std::to_string(event.plain_size);
  if (token == "duration") return seconds(dns::monotonic_ns() - event.received_ns) + "s";
  if (token == ">id") return std::to_string(query.id);
  if (token == ">opcode") return std::to_string((query.flags >> 11) & 0xF);
  if (token == ">do") return query.dnssec_ok ? "true" : "false";
  if (token == ">bufsize") {
    if (event.transport == dns::Transport::Tcp) return "65535";
    return std::to_string(std::max<unsigned>(query.udp_size, dns::kMaxUdpWithoutEdns));
  }
  if (token == ">rflags") {
    static constexpr std::pair<std::uint16_t, const char*> kNames[] = {
        {dns::kFlagQR, "qr"}, {dns::kFlagAA, "aa"}, {dns::kFlagTC, "tc"}, {dns::kFlagRD, "rd"},
        {dns::kFlagRA, "ra"}, {0x0040, "z"},        {dns::kFlagAD, "ad"}, {dns::kFlagCD, "cd"}};
    std::string text;
    for (const auto& [bit, name] : kNames) {
      if ((flags & bit) != 0) text += (text.empty() ? "" : ",") + std::string(name);
    }
    return text;
  }
  return "-";  // {/…}: no such metadata
}

}  // namespace clusterdns::app
