// What of an upstream's reply belongs to the answer to its question, and the answer it makes.
//
// Anybody who can answer a question could otherwise slip in records of other names. So the records
// are not taken as they come, but looked for: the aliases that lead from the question on, the data
// at their end, the SOA and the proof of a negative answer. Each is written anew behind the
// question, after aliases of our own if there are some.
#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <functional>
#include <span>

#include "dns/query/wire_sections.h"
#include "dns/wire/name.h"
#include "dns/wire/record_walker.h"

namespace clusterdns::dns {

// RFC 2308, section by section.
enum class AnswerKind : std::uint8_t {
  Data,    // records of the type asked for
  NoData,  // the name exists without them, or so it seems (see has_soa)
  NXDomain,
  Referral,  // another server is to be asked
  LeadsOn,   // an alias to a name that is not for this upstream, or that it says nothing about
  Failure,   // another rcode; no records
  Unusable,  // cannot be read, or does not answer the question
};

// One CNAME. Its owner is the target of the one before, or the question name.
struct ChainLink {
  Name target;
  std::uint32_t ttl = 0;  // seconds
};

// Filled once, from front to back. Not copied: what sections() shows points into it.
class ReplyRecords {
 public:
  // RFC 2181 section 8, and RFC 8767 section 4: "should be capped on the order of days to weeks".
  static constexpr std::uint32_t kMaxTtl = 604'800;  // seconds
  // Aliases of one reply that are looked at; those of CDNs come in fives.
  static constexpr std::size_t kMaxLinks = 16;
  static constexpr std::uint32_t kNoTtl = 0xFFFFFFFF;

  struct Request {
    RRType type{};
    // DNSSEC records are for who asked for them (RFC 4035 3.2.1).
    bool dnssec_ok = false;
    // Additional records at and below it belong to the answer: the upstream is there for this zone.
    // The root: there are none.
    NameView zone{};
  };
  // Whether the target of an alias, lower-case, is for somebody else than this upstream.
  using Elsewhere = std::function<bool(NameView)>;

  // `question` is the name that the response will have in its question; it must outlive this.
  explicit ReplyRecords(NameView question) noexcept;
  ReplyRecords(const ReplyRecords&) = delete;
  ReplyRecords& operator=(const ReplyRecords&) = delete;

  // An alias of our own from the last name on; before read().
  void add_link(const ChainLink& link);
  // Takes what belongs to the answer from `reply`, which is about the last name: a whole message as
  // in UpstreamReply::message. `elsewhere` may be empty.
  AnswerKind read(std::span<const std::uint8_t> reply, const Request& request,
                  const Elsewhere& elsewhere);

  [[nodiscard]] AnswerKind kind() const noexcept { return kind_; }
  // The least of all records that were taken, at most kMaxTtl; of a negative answer the SOA's
  // MINIMUM counts too (RFC 2308 section 5). kNoTtl without records.
  [[nodiscard]] std::uint32_t ttl() const noexcept { return ttl_; }
  // A negative answer has the SOA of a zone that holds the last name.
  [[nodiscard]] bool has_soa() const noexcept { return has_soa_; }
  // Aliases of the reply, without those of add_link().
  [[nodiscard]] std::span<const ChainLink> links() const noexcept {
    return {links_.data(), links_.size()};
  }
  // Where the aliases lead; the question name without any.
  [[nodiscard]] const Name& last_name() const noexcept { return last_; }
  // Records did not fit 64 KiB, or the upstream said so.
  [[nodiscard]] bool truncated() const noexcept { return truncated_; }
  // Everything so far. Valid as long as this.
  [[nodiscard]] WireSections sections() const noexcept;

 private:
  // A record of the reply; offsets.
  struct Place {
    std::uint16_t owner, fields, end;
    std::uint8_t section;
    bool taken;
    RRType type;
  };
  // A name that is written already and may be referred to.
  struct Known {
    Name name;
    std::uint16_t offset;
    std::uint8_t literal;  // octets that stand there in full, before a pointer
    bool any_case;         // spelled by the client
  };
  // Names of a message share suffixes, and the first dozen has nearly all of them; each costs a
  // comparison for each further name.
  static constexpr std::size_t kMaxKnown = 12;
  // What the response ends with besides records: OPT with an Extended DNS Error.
  static constexpr std::size_t kRoomForOpt = 512;

  [[nodiscard]] bool is_name(std::size_t at, const Name& name) const noexcept;
  // Whether `name` is at or below the name at `zone_at`.
  [[nodiscard]] bool holds(std::size_t zone_at, const Name& name) const noexcept;
  [[nodiscard]] std::uint32_t ttl_of(const Place& place) const noexcept;
  [[nodiscard]] RRType covered_by(const Place& signature) const noexcept;
  // True when there is data at the end of the aliases.
  bool take_answer(const Request& request, const Elsewhere& elsewhere);
  void take_data(const Request& request);
  // `may_refer`: no alias stands before.
  void take_authority(const Request& request, bool data, bool may_refer);
  void take_additional(const Request& request);
  // `owned_by_last`: the owner is last_. What the names in its RDATA can be referred to by is the
  // result, 0 without one.
  std::uint16_t take(Place& place, bool owned_by_last);
  // The signatures of `covered` that have the owner of `like`.
  void take_signatures(const Place& like, RRType covered, bool owned_by_last);

  void put_u16(std::uint16_t value);
  // Writes a name, shortened by one that is known; becomes known itself when `remember`. Where it
  // can be referred to; 0 when it cannot.
  std::uint16_t put_name(const Name& name, bool remember);
  void put_last_name();
  [[nodiscard]] std::size_t here() const noexcept { return begin_ + octets_.size(); }
  void end_section(unsigned section) noexcept;

  std::span<const std::uint8_t> reply_;
  boost::container::small_vector<Place, 24> places_;
  boost::container::small_vector<std::uint8_t, 512> octets_;
  boost::container::small_vector<std::uint16_t, 24> ttls_;
  boost::container::small_vector<Known, 4> known_;
  boost::container::small_vector<ChainLink, 4> links_;
  Name last_;
  std::uint16_t owner_ = kHeaderSize;  // where last_ stands; 0: not within a pointer's reach
  std::uint16_t begin_ = 0;
  std::array<std::uint16_t, 3> end_{};
  std::array<std::uint16_t, 3> records_{};
  std::uint16_t turn_first_ = 0;
  std::uint16_t turn_count_ = 0;
  std::uint32_t ttl_ = kNoTtl;
  std::uint32_t saved_ = 0;
  AnswerKind kind_ = AnswerKind::Unusable;
  bool has_soa_ = false;
  bool bad_ = false;
  bool truncated_ = false;
};

}  // namespace clusterdns::dns
