// What each client asked, how often again, and what it was answered: for who tests clients.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "dns/net/address_ranges.h"
#include "dns/query/stage.h"
#include "dns/target/capture.h"
#include "dns/target/departures.h"

namespace clusterdns::dns {

// Names, each of a client and a type, and clients that are kept; who asked nothing for longest
// goes.
inline constexpr std::size_t kMaxEvidenceNames = 100'000;
inline constexpr std::size_t kMaxEvidenceClients = 100'000;
// Octets that all of it takes, more or less; the same goes.
inline constexpr std::size_t kMaxEvidenceOctets = std::size_t{256} * 1024 * 1024;
// Source ports that are told apart, of a client.
inline constexpr std::size_t kMaxEvidencePorts = 64;
// Times that are kept, the newest.
inline constexpr std::size_t kEvidenceTimes = 16;
// Words with numbers, EDNS sizes, walks along a search list: of each client or name.
inline constexpr std::size_t kMaxEvidenceKinds = 32;

// Counts by word; beyond kMaxEvidenceKinds words it is "other".
class WordCounts {
 public:
  void add(const std::string& word);
  [[nodiscard]] const std::map<std::string, std::uint64_t>& all() const noexcept { return counts_; }
  // That they take beside this.
  [[nodiscard]] std::size_t octets() const noexcept { return octets_; }

 private:
  std::map<std::string, std::uint64_t> counts_;
  std::size_t octets_ = 0;
};

struct EvidenceRetries {
  std::uint64_t same_id_port = 0, same_port = 0, new_port = 0;
};
struct EvidenceFallback {
  std::uint64_t after_tc = 0, after_silence = 0;
};
using EvidenceTimes = std::vector<double>;  // ms

// Of one name and type of a client.
struct NameEvidence {
  std::string name;  // lower-case, with the final dot
  RRType type{};
  std::uint64_t queries = 0, udp = 0, tcp = 0;
  double first = 0, last = 0;  // seconds since 1970
  WordCounts outcomes, faults;
  std::string last_outcome;
  EvidenceRetries retries;
  EvidenceTimes intervals;
  std::uint64_t repeats = 0;
  EvidenceFallback fallback;
};

struct ClientEvidence {
  struct Search {
    std::string base;
    std::vector<std::string> names;
  };

  std::string client;
  std::uint64_t queries = 0, udp = 0, tcp = 0;
  std::size_t ports = 0;
  WordCounts outcomes, faults;
  EvidenceRetries retries;
  std::uint64_t repeats = 0;
  EvidenceFallback fallback;
  std::uint64_t without_edns = 0, dnssec_ok = 0, cookie = 0, mixed_case = 0;
  WordCounts sizes;
  std::uint64_t both = 0, a_first = 0, aaaa_first = 0, one_socket = 0, two_sockets = 0, a_only = 0,
                aaaa_only = 0;
  EvidenceTimes gaps;
  std::vector<Search> search;
  std::vector<NameEvidence> names;  // in the order of their first query
  bool goes_on = false;             // in a part: only further names of the client before are here
};

struct EvidenceReport {
  double since = 0, now = 0;  // seconds since 1970
  std::size_t most_names = 0, most_clients = 0;
  std::uint64_t evicted_names = 0, evicted_clients = 0;
  std::vector<ClientEvidence> clients;
};

// What a report is about; empty: everything.
struct EvidenceFilter {
  std::string client = {}, name = {}, type = {};
};

// Where the next part of a report begins.
struct EvidencePlace {
  std::string client = {};  // the first, or the one before it
  std::uint64_t name = 0;   // the last one of that client that was told
  bool begun = false;       // something of that client was told
  bool at_end = false;
};

// One answer, or that there was none, for a log.
struct EvidenceLine {
  std::chrono::system_clock::time_point time;
  const Endpoint& client;
  Transport transport;
  const Query& query;
  const std::string& outcome;
  double ms;
  const FaultNote* note;  // nullptr: nothing was done to it
};

// Any thread.
class Evidence {
 public:
  struct Options {
    std::size_t names = kMaxEvidenceNames;
    std::size_t clients = kMaxEvidenceClients;
    std::size_t octets = kMaxEvidenceOctets;
    AddressRanges who = AddressRanges::loopback_and_private();
    std::function<void(const EvidenceLine&)> log = {};  // on workers' threads; empty: none
    // Takes blocks of a pcapng file, in their order; likewise.
    std::function<void(const std::string& block)> capture = {};
  };
  explicit Evidence(Options options);
  ~Evidence();

  void on_query(const Endpoint& client, const Endpoint& local, Transport transport,
                const Query& query, std::int64_t received_ns) noexcept;
  // `response` empty: nothing was sent.
  void on_end(const Endpoint& client, const Endpoint& local, Transport transport,
              const Query& query, std::int64_t received_ns, std::span<const std::uint8_t> response,
              const FaultNote* note) noexcept;

  [[nodiscard]] EvidenceReport report(const EvidenceFilter& filter) const;
  // The same without clients.
  [[nodiscard]] EvidenceReport summary() const;
  // The clients from `place` on, until so many names and clients have been looked at: workers wait
  // meanwhile. Moves `place` on. What changes between two parts is in the later one or in none.
  [[nodiscard]] std::vector<ClientEvidence> part(const EvidenceFilter& filter, EvidencePlace& place,
                                                 std::size_t most) const;
  // Another one whenever something has changed.
  [[nodiscard]] std::uint64_t version() const;
  // That all of it takes, see kMaxEvidenceOctets.
  [[nodiscard]] std::size_t octets() const;
  void clear();
  [[nodiscard]] std::uint64_t evicted_names() const;
  [[nodiscard]] std::uint64_t evicted_clients() const;

 private:
  struct Asked;
  struct Name;
  struct Client;
  using Clients = std::list<std::unique_ptr<Client>>;
  // A query that is not written yet: what becomes of it is said with it.
  struct Waiting {
    CaptureWriter::Message message;  // of `octets`
    std::vector<std::uint8_t> octets;
    std::int64_t since_ns = 0;
    std::uint16_t id = 0;
  };

  void capture_query(const Endpoint& client, const Endpoint& local, Transport transport,
                     const Query& query, std::int64_t received_ns);
  void capture_end(const Endpoint& client, const Endpoint& local, Transport transport,
                   const Query& query, std::span<const std::uint8_t> response,
                   const FaultNote* note);
  void write_query(Waiting& waiting, std::string_view comment);
  void note_query(const Endpoint& client, Transport transport, const Query& query,
                  std::int64_t now_ns);
  void note_end(const Endpoint& client, Transport transport, const Query& query,
                std::span<const std::uint8_t> response, const std::string& outcome,
                const FaultNote* note);
  Client& client_of(const Endpoint& client);
  Name& name_of(Client& client, const Query& query, double now);
  void forget_name(Name& name);
  void forget_client(Client& client);
  // Counts what the two take now, and makes room.
  void weigh(Client& client, Name& name);
  static void note_pair(Client& client, Name& name, const Asked& asked);
  static void note_search(Client& client, const Name& name, std::int64_t now_ns, bool retry);

  const Options options_;
  mutable std::mutex mutex_;
  double since_ = 0;
  Clients clients_;  // who asked last is first
  std::map<std::string, Clients::iterator> by_address_;
  std::list<Name*> names_;  // likewise
  std::uint64_t evicted_names_ = 0, evicted_clients_ = 0;
  std::uint64_t last_number_ = 0;  // of a name
  std::uint64_t version_ = 0;
  std::size_t octets_ = 0;
  CaptureWriter writer_;
  std::list<Waiting> waiting_;  // the oldest first
};

// In front of all stages of a server block: sees queries come.
class EvidenceStage final : public Stage {
 public:
  explicit EvidenceStage(std::shared_ptr<Evidence> evidence) : evidence_(std::move(evidence)) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "evidence"; }
  [[nodiscard]] Verdict handle(Exchange& exchange) noexcept override;

 private:
  std::shared_ptr<Evidence> evidence_;
};

// Of a server block: sees how they end. `notes`: of its faults; nullptr: it has none.
class EvidenceObserver final : public AnswerObserver {
 public:
  EvidenceObserver(std::shared_ptr<Evidence> evidence, std::shared_ptr<FaultNotes> notes)
      : evidence_(std::move(evidence)), notes_(std::move(notes)) {}
  void on_answer(const Event& event, WorkerContext& worker) noexcept override;
  void on_unanswered(const Event& event, Fate fate, WorkerContext& worker) noexcept override;

 private:
  std::shared_ptr<Evidence> evidence_;
  std::shared_ptr<FaultNotes> notes_;
};

// The same of what comes to no server block; one for all.
class EvidenceGate final : public AnswerObserver {
 public:
  explicit EvidenceGate(std::shared_ptr<Evidence> evidence) : evidence_(std::move(evidence)) {}
  void on_answer(const Event&, WorkerContext&) noexcept override {}
  void on_unanswered(const Event& event, Fate fate, WorkerContext& worker) noexcept override;
  [[nodiscard]] bool sees_gates() const noexcept override { return true; }

 private:
  std::shared_ptr<Evidence> evidence_;
};

// The address that evidence knows a client by.
[[nodiscard]] std::string client_text(const Endpoint& client);
// "TC", the rcode, "NODATA", or "dropped" when `response` is empty.
[[nodiscard]] std::string outcome_of(const Query& query, std::span<const std::uint8_t> response);

}  // namespace clusterdns::dns
