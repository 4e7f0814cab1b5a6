#include "dns/target/evidence.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "dns/target/lookups.h"
#include "dns/wire/message_reader.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {
namespace {

constexpr std::int64_t kPairWithin = 1'000'000'000;  // ns
constexpr std::size_t kAskedKept = 8;
constexpr std::size_t kMaxSearches = 4;
constexpr std::size_t kMaxSteps = 8;         // glibc tries 6 domains and the name itself
constexpr std::uint16_t kCookieOption = 10;  // RFC 7873
// Queries that wait for what is said of them in a capture, and how long they do.
constexpr std::size_t kMaxCaptureWaiting = 1000;
constexpr std::int64_t kLongestCaptureWait = 500'000'000;  // ns

std::int64_t unix_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

double unix_time(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

// What texts take beyond their own size; and a node of a map or list with the allocator's own
// words.
std::size_t octets_of(const std::string& text) noexcept {
  constexpr std::size_t kInside = 15;
  return text.size() > kInside ? text.size() + 24 : 0;
}
constexpr std::size_t kNode = 64;

void keep_time(EvidenceTimes& times, double ms) {
  if (times.size() == kEvidenceTimes) times.erase(times.begin());
  times.push_back(ms);
}

bool has_mixed_case(NameView name) noexcept {
  bool upper = false, lower = false;
  for (const std::uint8_t c : name) {
    upper = upper || (c >= 'A' && c <= 'Z');
    lower = lower || (c >= 'a' && c <= 'z');
  }
  return upper && lower;
}

bool has_cookie(const Query& query) noexcept {
  if (!query.has_edns || query.opt_end > query.size) return false;
  std::size_t at = query.opt_offset + kOptRecordSize;
  while (at + 4 <= query.opt_end) {
    if (load_u16(query.packet + at) == kCookieOption) return true;
    at += std::size_t{4} + load_u16(query.packet + at + 2);
  }
  return false;
}

// Octets of the labels that both begin with.
std::size_t common_beginning(const std::string& a, const std::string& b) {
  std::size_t last = 0;
  for (std::size_t i = 0; i < a.size() && i < b.size() && a[i] == b[i]; ++i) {
    if (a[i] == '.' && (i == 0 || a[i - 1] != '\\')) last = i + 1;
  }
  return last;
}

bool is_negative(const std::string& outcome) {
  return outcome == "NXDOMAIN" || outcome == "NODATA";
}
bool is_good(const std::string& outcome) {
  return outcome == "NOERROR" || outcome == "NODATA" || outcome == "NXDOMAIN";
}

void add_words(const std::string& words, WordCounts& a, WordCounts& b) {
  std::size_t begin = 0;
  while (begin < words.size()) {
    const std::size_t end = std::min(words.find(' ', begin), words.size());
    const std::string word = words.substr(begin, end - begin);
    a.add(word);
    b.add(word);
    begin = end + 1;
  }
}

}  // namespace

void WordCounts::add(const std::string& word) {
  const auto found = counts_.find(word);
  if (found != counts_.end()) {
    ++found->second;
  } else {
    const auto [at, fresh] =
        counts_.try_emplace(counts_.size() < kMaxEvidenceKinds ? word : "other", 0);
    if (fresh) octets_ += kNode + sizeof *at + octets_of(at->first);
    ++at->second;
  }
}

std::string client_text(const Endpoint& client) {
  auto address = client.to_address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return boost::asio::ip::make_address_v4(boost::asio::ip::v4_mapped, address.to_v6())
        .to_string();
  }
  return address.to_string();
}

std::string outcome_of(const Query& query, std::span<const std::uint8_t> response) {
  if (response.size() < kHeaderSize) return "dropped";
  const std::uint16_t flags = load_u16(response.data() + 2);
  if ((flags & kFlagTC) != 0) return "TC";
  unsigned rcode = flags & 0xF;
  bool data = false;
  if (query.question_end <= response.size() && load_u16(response.data() + 4) == 1) {
    RecordWalker walker(response, query.question_end);
    RecordPlace record;
    while (walker.next(record)) {
      if (record.section == 0) {
        data = data || record.type == query.qtype || query.qtype == RRType::ANY;
      } else if (record.type == RRType::OPT && record.section == 2) {
        // Behind the owner and the size: the upper bits (RFC 6891 6.1.3).
        rcode |= static_cast<unsigned>(response[record.owner + 5]) << 4;
      }
    }
  }
  if (rcode == 0 && !data) return "NODATA";
  return rcode_to_text(static_cast<std::uint16_t>(rcode));
}

// One query.
struct Evidence::Asked {
  std::int64_t at_ns = 0;
  std::uint16_t port = 0;
  std::uint16_t id = 0;
  Transport transport = Transport::Udp;
  enum class State : std::uint8_t { Open, Truncated, Bad, Good } state = State::Open;
};

struct Evidence::Name {
  NameEvidence shown;
  Client* client = nullptr;
  std::string key;
  std::uint64_t number = 0;  // in the order in which they came
  std::list<Name*>::iterator place;
  std::vector<Asked> asked;  // the newest
  std::size_t weighed = 0;   // octets, when they were counted last
  // The newest that is no retry, while it has no partner of the other type.
  std::optional<Asked> unpaired;

  [[nodiscard]] std::size_t octets() const noexcept {
    // In the client's two maps and the list of all; the key is there twice.
    return sizeof *this + 4 * kNode + octets_of(shown.name) + 2 * octets_of(key) +
           octets_of(shown.last_outcome) + shown.outcomes.octets() + shown.faults.octets() +
           shown.intervals.capacity() * sizeof(double) + asked.capacity() * sizeof(Asked);
  }
  [[nodiscard]] const Asked* newest(Transport transport, std::int64_t now_ns) const noexcept {
    for (auto it = asked.rbegin(); it != asked.rend(); ++it) {
      if (it->transport == transport) return now_ns - it->at_ns <= kRetryWithin ? &*it : nullptr;
    }
    return nullptr;
  }
};

struct Evidence::Client {
  // The names of one type along a search list.
  struct Walk {
    std::string base;
    std::vector<std::string> names;
    std::int64_t last_ns = 0;
    bool negative = false;
  };

  ClientEvidence shown;
  std::set<std::uint16_t> ports;
  std::uint64_t a_queries = 0, aaaa_queries = 0;  // no retries
  std::map<RRType, Walk> walks;
  std::unordered_map<std::string, std::unique_ptr<Name>> names;
  std::map<std::uint64_t, Name*> in_order;
  std::size_t weighed = 0;  // octets without names, when they were counted last

  [[nodiscard]] std::size_t octets() const noexcept {
    std::size_t sum = sizeof *this + 4 * kNode + 2 * octets_of(shown.client) +
                      ports.size() * kNode + shown.outcomes.octets() + shown.faults.octets() +
                      shown.sizes.octets() + shown.gaps.capacity() * sizeof(double);
    const auto add = [&](const std::string& base, const std::vector<std::string>& steps) {
      sum += octets_of(base) + steps.capacity() * sizeof(std::string);
      for (const std::string& step : steps) sum += octets_of(step);
    };
    for (const auto& search : shown.search) {
      sum += sizeof search;
      add(search.base, search.names);
    }
    for (const auto& [type, walk] : walks) {
      sum += kNode + sizeof walk;
      add(walk.base, walk.names);
    }
    return sum;
  }
  void keep_search(const Walk& walk) {
    if (walk.names.size() < 2) return;
    const bool known = std::any_of(shown.search.begin(), shown.search.end(),
                                   [&](const auto& each) { return each.names == walk.names; });
    if (known) return;
    shown.search.push_back({walk.base, walk.names});
    if (shown.search.size() > kMaxSearches) shown.search.erase(shown.search.begin());
  }
};

Evidence::Evidence(Options options)
    : options_(std::move(options)), since_(unix_time(std::chrono::system_clock::now())) {}
Evidence::~Evidence() = default;

void Evidence::on_query(const Endpoint& client, const Endpoint& local, Transport transport,
                        const Query& query, std::int64_t received_ns) noexcept {
  if (!options_.who.contains(client)) return;
  try {
    const std::lock_guard lock(mutex_);
    if (options_.capture) capture_query(client, local, transport, query, received_ns);
    note_query(client, transport, query, received_ns);
  } catch (...) {
    // No memory: it is not noted.
  }
}

void Evidence::on_end(const Endpoint& client, const Endpoint& local, Transport transport,
                      const Query& query, std::int64_t received_ns,
                      std::span<const std::uint8_t> response, const FaultNote* note) noexcept {
  if (!options_.who.contains(client)) return;
  try {
    const std::string outcome = outcome_of(query, response);
    {
      const std::lock_guard lock(mutex_);
      if (options_.capture) capture_end(client, local, transport, query, response, note);
      note_end(client, transport, query, response, outcome, note);
    }
    if (options_.log) {
      options_.log({std::chrono::system_clock::now(), client, transport, query, outcome,
                    static_cast<double>(monotonic_ns() - received_ns) / 1e6, note});
    }
  } catch (...) {
    // No memory: it is not noted.
  }
}

void Evidence::capture_query(const Endpoint& client, const Endpoint& local, Transport transport,
                             const Query& query, std::int64_t received_ns) {
  const std::int64_t now_ns = monotonic_ns();
  while (!waiting_.empty() && (waiting_.size() >= kMaxCaptureWaiting ||
                               now_ns - waiting_.front().since_ns > kLongestCaptureWait)) {
    write_query(waiting_.front(), {});
    waiting_.pop_front();
  }
  Waiting& waiting = waiting_.emplace_back();
  waiting.octets.assign(query.packet, query.packet + query.size);
  waiting.since_ns = received_ns;
  waiting.id = query.id;
  waiting.message = {
      unix_ns() - (now_ns - received_ns), client, local, transport, false, waiting.octets, {}};
}

void Evidence::write_query(Waiting& waiting, std::string_view comment) {
  waiting.message.octets = waiting.octets;
  waiting.message.comment = comment;
  options_.capture(writer_.block(waiting.message));
}

void Evidence::capture_end(const Endpoint& client, const Endpoint& local, Transport transport,
                           const Query& query, std::span<const std::uint8_t> response,
                           const FaultNote* note) {
  std::string comment;
  if (note != nullptr && !note->faults.empty()) {
    comment = (note->rule.empty() ? "labels: " : "rule " + note->rule + ": ") + note->faults;
  }
  const auto found = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& each) {
    return each.id == query.id && each.message.client.port == client.port &&
           each.message.transport == transport && each.message.client.address == client.address;
  });
  if (found != waiting_.end()) {
    write_query(*found, response.empty() ? comment : std::string());
    waiting_.erase(found);
  }
  if (response.empty()) return;
  CaptureWriter::Message message{unix_ns(), client, local, transport, true, response, comment};
  const auto write = [&](std::span<const std::uint8_t> octets) {
    message.octets = octets;
    options_.capture(writer_.block(message));
  };
  const Departure* const departure = note == nullptr ? nullptr : note->departure;
  if (departure == nullptr) return write(response);
  if (!departure->before.empty()) write(departure->before);
  for (std::uint32_t i = 0; i < departure->copies; ++i) write(departure->message);
}

Evidence::Client& Evidence::client_of(const Endpoint& endpoint) {
  std::string address = client_text(endpoint);
  const auto found = by_address_.find(address);
  if (found != by_address_.end()) {
    clients_.splice(clients_.begin(), clients_, found->second);
    return **found->second;
  }
  if (clients_.size() >= options_.clients) {
    forget_client(*clients_.back());
    ++evicted_clients_;
  }
  clients_.push_front(std::make_unique<Client>());
  clients_.front()->shown.client = address;
  by_address_.emplace(std::move(address), clients_.begin());
  return *clients_.front();
}

Evidence::Name& Evidence::name_of(Client& client, const Query& query, double now) {
  std::string key(reinterpret_cast<const char*>(query.lower.data()), query.qname_size);
  const auto type = static_cast<std::uint16_t>(query.qtype);
  key += static_cast<char>(type >> 8);
  key += static_cast<char>(type);
  const auto found = client.names.find(key);
  if (found != client.names.end()) {
    names_.splice(names_.begin(), names_, found->second->place);
    return *found->second;
  }
  if (names_.size() >= options_.names) {
    forget_name(*names_.back());
    ++evicted_names_;
  }
  auto made = std::make_unique<Name>();
  made->shown.name = name_to_text(query.name());
  made->shown.type = query.qtype;
  made->shown.first = now;
  made->client = &client;
  made->key = key;
  names_.push_front(made.get());
  made->place = names_.begin();
  Name& name = *made;
  name.number = ++last_number_;
  client.in_order.emplace(name.number, &name);
  client.names.emplace(std::move(key), std::move(made));
  return name;
}

void Evidence::forget_name(Name& name) {
  Client& client = *name.client;
  octets_ -= name.weighed;
  names_.erase(name.place);
  client.in_order.erase(name.number);
  client.names.erase(std::string(name.key));
}

void Evidence::forget_client(Client& client) {
  octets_ -= client.weighed;
  for (const auto& [key, name] : client.names) {
    octets_ -= name->weighed;
    names_.erase(name->place);
  }
  const auto found = by_address_.find(client.shown.client);
  const auto place = found->second;
  by_address_.erase(found);
  clients_.erase(place);
}

void Evidence::weigh(Client& client, Name& name) {
  ++version_;
  const std::size_t before = client.weighed + name.weighed;
  client.weighed = client.octets();
  name.weighed = name.octets();
  octets_ += client.weighed + name.weighed - before;
  // These two asked last: they are the last to go.
  while (octets_ > options_.octets) {
    if (clients_.size() > 1) {
      evicted_names_ += clients_.back()->names.size();
      ++evicted_clients_;
      forget_client(*clients_.back());
    } else if (names_.size() > 1) {
      ++evicted_names_;
      forget_name(*names_.back());
    } else {
      return;
    }
  }
}

void Evidence::note_query(const Endpoint& endpoint, Transport transport, const Query& query,
                          std::int64_t now_ns) {
  const double now = unix_time(std::chrono::system_clock::now());
  Client& client = client_of(endpoint);
  Name& name = name_of(client, query, now);
  ClientEvidence& of_client = client.shown;
  NameEvidence& of_name = name.shown;
  const bool udp = transport == Transport::Udp;
  ++of_client.queries;
  ++of_name.queries;
  ++(udp ? of_client.udp : of_client.tcp);
  ++(udp ? of_name.udp : of_name.tcp);
  of_name.last = now;
  if (client.ports.size() < kMaxEvidencePorts) client.ports.insert(endpoint.port);
  if (query.has_edns) {
    of_client.sizes.add(std::to_string(query.udp_size));
    if (query.dnssec_ok) ++of_client.dnssec_ok;
    if (has_cookie(query)) ++of_client.cookie;
  } else {
    ++of_client.without_edns;
  }
  if (has_mixed_case(query.name_as_asked())) ++of_client.mixed_case;

  const Asked asked{now_ns, endpoint.port, query.id, transport};
  bool retry = false;
  const Asked* const over_udp = name.newest(Transport::Udp, now_ns);
  const Asked* const before = udp ? over_udp : name.newest(Transport::Tcp, now_ns);
  if (!udp && over_udp != nullptr && over_udp->state != Asked::State::Bad) {
    if (over_udp->state == Asked::State::Good) {
      ++of_client.repeats;
      ++of_name.repeats;
    } else {
      const bool truncated = over_udp->state == Asked::State::Truncated;
      for (EvidenceFallback* const each : {&of_client.fallback, &of_name.fallback}) {
        ++(truncated ? each->after_tc : each->after_silence);
      }
      retry = true;  // of the look-up, for pairs and searches
    }
  } else if (before != nullptr && before->state == Asked::State::Good) {
    ++of_client.repeats;
    ++of_name.repeats;
  } else if (before != nullptr && (udp || over_udp == nullptr)) {
    retry = true;
    for (EvidenceRetries* const each : {&of_client.retries, &of_name.retries}) {
      ++(before->port != asked.port ? each->new_port
         : before->id != asked.id   ? each->same_port
                                    : each->same_id_port);
    }
    keep_time(of_name.intervals, static_cast<double>(now_ns - before->at_ns) / 1e6);
  }
  if (name.asked.size() == kAskedKept) name.asked.erase(name.asked.begin());
  name.asked.push_back(asked);
  if (!retry) note_pair(client, name, asked);
  note_search(client, name, now_ns, retry);
  weigh(client, name);
}

void Evidence::note_pair(Client& client, Name& name, const Asked& asked) {
  const RRType type = name.shown.type;
  if (type != RRType::A && type != RRType::AAAA) return;
  ++(type == RRType::A ? client.a_queries : client.aaaa_queries);
  std::string key = name.key;
  const RRType other = type == RRType::A ? RRType::AAAA : RRType::A;
  key[key.size() - 2] = 0;
  key[key.size() - 1] = static_cast<char>(other);
  const auto found = client.names.find(key);
  if (found != client.names.end() && found->second->unpaired &&
      asked.at_ns - found->second->unpaired->at_ns <= kPairWithin) {
    const Asked first = *found->second->unpaired;
    found->second->unpaired.reset();
    ClientEvidence& shown = client.shown;
    ++shown.both;
    ++(type == RRType::AAAA ? shown.a_first : shown.aaaa_first);
    const bool one = first.port == asked.port && first.transport == asked.transport;
    ++(one ? shown.one_socket : shown.two_sockets);
    keep_time(shown.gaps, static_cast<double>(asked.at_ns - first.at_ns) / 1e6);
    return;
  }
  name.unpaired = asked;
}

void Evidence::note_search(Client& client, const Name& name, std::int64_t now_ns, bool retry) {
  constexpr std::size_t kMaxWalks = 4;  // types
  const auto found = client.walks.find(name.shown.type);
  if (found == client.walks.end() && client.walks.size() >= kMaxWalks) return;
  Client::Walk& walk = client.walks[name.shown.type];
  const std::string& text = name.shown.name;
  if (!walk.names.empty() && walk.names.back() == text) {
    if (!retry) {
      client.keep_search(walk);
      walk = {text, {text}};
    }
    walk.last_ns = now_ns;
    return;
  }
  if (retry) return;
  const std::size_t same = walk.names.empty() ? 0 : common_beginning(walk.base, text);
  if (walk.negative && same > 0 && now_ns - walk.last_ns <= kRetryWithin &&
      walk.names.size() < kMaxSteps) {
    walk.base.resize(same);
    walk.names.push_back(text);
  } else {
    client.keep_search(walk);
    walk = {text, {text}};
  }
  walk.last_ns = now_ns;
  walk.negative = false;
}

void Evidence::note_end(const Endpoint& endpoint, Transport transport, const Query& query,
                        std::span<const std::uint8_t> response, const std::string& outcome,
                        const FaultNote* note) {
  const auto found = by_address_.find(client_text(endpoint));
  if (found == by_address_.end()) return;  // gone, for others' sake
  Client& client = **found->second;
  std::string key(reinterpret_cast<const char*>(query.lower.data()), query.qname_size);
  const auto type = static_cast<std::uint16_t>(query.qtype);
  key += static_cast<char>(type >> 8);
  key += static_cast<char>(type);
  const auto at = client.names.find(key);
  if (at == client.names.end()) return;
  Name& name = *at->second;
  client.shown.outcomes.add(outcome);
  name.shown.outcomes.add(outcome);
  name.shown.last_outcome = outcome;
  if (note != nullptr) add_words(note->faults, client.shown.faults, name.shown.faults);
  for (Asked& asked : name.asked) {
    if (asked.state != Asked::State::Open || asked.port != endpoint.port || asked.id != query.id ||
        asked.transport != transport) {
      continue;
    }
    if (response.empty()) break;  // it stays unanswered
    asked.state = outcome == "TC"                   ? Asked::State::Truncated
                  : note != nullptr && note->spoilt ? Asked::State::Bad
                  : is_good(outcome)                ? Asked::State::Good
                                                    : Asked::State::Bad;
    break;
  }
  const auto walk = client.walks.find(query.qtype);
  if (walk != client.walks.end() && !walk->second.names.empty() &&
      walk->second.names.back() == name.shown.name) {
    walk->second.negative = is_negative(outcome);
  }
  weigh(client, name);
}

EvidenceReport Evidence::summary() const {
  EvidenceReport report;
  report.now = unix_time(std::chrono::system_clock::now());
  report.most_names = options_.names;
  report.most_clients = options_.clients;
  const std::lock_guard lock(mutex_);
  report.since = since_;
  report.evicted_names = evicted_names_;
  report.evicted_clients = evicted_clients_;
  return report;
}

EvidenceReport Evidence::report(const EvidenceFilter& filter) const {
  constexpr std::size_t kPart = 1000;
  EvidenceReport report = summary();
  EvidencePlace place;
  while (!place.at_end) {
    for (ClientEvidence& client : part(filter, place, kPart)) {
      if (!client.goes_on) {
        report.clients.push_back(std::move(client));
        continue;
      }
      auto& names = report.clients.back().names;
      std::move(client.names.begin(), client.names.end(), std::back_inserter(names));
    }
  }
  return report;
}

std::vector<ClientEvidence> Evidence::part(const EvidenceFilter& filter, EvidencePlace& place,
                                           std::size_t most) const {
  std::vector<ClientEvidence> clients;
  const auto matches = [&](const Name& name) {
    return (filter.name.empty() || name.shown.name == filter.name) &&
           (filter.type.empty() || rrtype_to_text(name.shown.type) == filter.type);
  };
  const bool every_name = filter.name.empty() && filter.type.empty();
  const std::lock_guard lock(mutex_);
  const std::string& first = place.client.empty() ? filter.client : place.client;
  auto at = by_address_.lower_bound(first);
  // The client that was being told of is gone.
  if (at == by_address_.end() || at->first != place.client) place.name = 0, place.begun = false;
  for (std::size_t looked = 0; looked < most; ++at) {
    if (at == by_address_.end() || (!filter.client.empty() && at->first != filter.client)) {
      place.at_end = true;
      return clients;
    }
    const Client& client = **at->second;
    place.client = at->first;
    ++looked;
    std::vector<NameEvidence> names;
    auto name = client.in_order.upper_bound(place.name);
    for (; name != client.in_order.end() && looked < most; ++name, ++looked) {
      place.name = name->first;
      if (matches(*name->second)) names.push_back(name->second->shown);
    }
    if (!names.empty() || (every_name && !place.begun)) {
      ClientEvidence& shown = clients.emplace_back();
      if (!place.begun) {
        shown = client.shown;
        shown.ports = client.ports.size();
        shown.a_only = client.a_queries - std::min(client.a_queries, shown.both);
        shown.aaaa_only = client.aaaa_queries - std::min(client.aaaa_queries, shown.both);
        for (const auto& [type, walk] : client.walks) {
          Client now;
          now.shown.search = std::move(shown.search);
          now.keep_search(walk);
          shown.search = std::move(now.shown.search);
        }
      }
      shown.goes_on = std::exchange(place.begun, true);
      shown.names = std::move(names);
    }
    if (name != client.in_order.end()) return clients;
    place.name = 0;
    place.begun = false;
    // The first one behind it.
    place.client += '\0';
  }
  return clients;
}

std::uint64_t Evidence::version() const {
  const std::lock_guard lock(mutex_);
  return version_;
}

std::size_t Evidence::octets() const {
  const std::lock_guard lock(mutex_);
  return octets_;
}

void Evidence::clear() {
  Clients gone;
  const std::lock_guard lock(mutex_);
  by_address_.clear();
  names_.clear();
  gone.swap(clients_);
  octets_ = 0;
  ++version_;
  evicted_names_ = evicted_clients_ = 0;
  since_ = unix_time(std::chrono::system_clock::now());
}

std::uint64_t Evidence::evicted_names() const {
  const std::lock_guard lock(mutex_);
  return evicted_names_;
}

std::uint64_t Evidence::evicted_clients() const {
  const std::lock_guard lock(mutex_);
  return evicted_clients_;
}

Verdict EvidenceStage::handle(Exchange& exchange) noexcept {
  evidence_->on_query(exchange.client, exchange.local, exchange.transport, exchange.query,
                      exchange.received_ns);
  return Verdict::Next;
}

void EvidenceObserver::on_answer(const Event& event, WorkerContext& worker) noexcept {
  evidence_->on_end(event.client, event.local, event.transport, event.query, event.received_ns,
                    event.response, notes_ == nullptr ? nullptr : notes_->now(worker.index));
}

void EvidenceObserver::on_unanswered(const Event& event, Fate fate,
                                     WorkerContext& worker) noexcept {
  if (fate == Fate::Gate) return;
  evidence_->on_end(event.client, event.local, event.transport, event.query, event.received_ns, {},
                    notes_ == nullptr ? nullptr : notes_->now(worker.index));
}

void EvidenceGate::on_unanswered(const Event& event, Fate fate, WorkerContext&) noexcept {
  if (fate != Fate::Gate || event.query.question_end == 0) return;
  evidence_->on_query(event.client, event.local, event.transport, event.query, event.received_ns);
  evidence_->on_end(event.client, event.local, event.transport, event.query, event.received_ns,
                    event.response, nullptr);
}

}  // namespace clusterdns::dns
