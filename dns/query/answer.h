// What to send, decided before a single octet of it is written (NSD's answer.h is the model).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::dns {

class Encoder;
struct RRsetRef;

enum class Section : std::uint8_t { Answer, Authority, Additional };

// What a writer managed to do with the room that was left.
enum class Written : std::uint8_t { All, Part, None };

// Writes one RRset; a function and not a method, so that a reference stays a plain value.
using RRsetWriter = Written (*)(const RRsetRef& rrset, Encoder& encoder) noexcept;

// One RRset of an answer, by reference: the data behind it belongs to a published table and holds
// until the worker ends its batch. What the words mean is the writer's business.
struct RRsetRef {
  RRsetWriter write = nullptr;
  const void* data = nullptr;
  const void* more = nullptr;
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  std::uint32_t rotation = 0;  // index of the record to start with
  std::uint32_t ttl = 0;       // seconds
  RRType type{};
  std::uint8_t owner = 0;  // index into Answer::names
};

// A name the answer uses; [0] is always the question name.
struct AnswerName {
  const std::uint8_t* wire = nullptr;
  std::uint8_t size = 0;
  std::uint8_t literal = 0;  // octets that stand there in full, before a pointer
  std::uint16_t offset = 0;  // where it stands in the message; 0: not written yet
};

// RFC 8914 section 2: one Extended DNS Error, sent only to clients that use EDNS.
struct ExtendedErrorNote {
  bool set = false;
  ExtendedError code = ExtendedError::Other;
  // Lives as long as the configuration, or as the answer that it is an error of: who hands it to
  // another answer copies it, see Answer::keep_error().
  const char* text = "";
  // What the log says of it, where that is something else; as long-lived.
  const char* cause = nullptr;

  [[nodiscard]] const char* log_text() const noexcept { return cause != nullptr ? cause : text; }
};

// An EDNS option besides the Extended DNS Error (RFC 6891 6.1.2).
struct EdnsOption {
  std::uint16_t code = 0;
  std::uint16_t size = 0;
  const std::uint8_t* data = nullptr;
};

// A CNAME chain of kMaxChain links plus what it leads to fits without an allocation; of what comes
// beyond that, memory is taken, as much as a message can use. What cannot be had makes the answer
// SERVFAIL, and nothing is written where there is no room. One per worker, reused.
class Answer {
 public:
  static constexpr std::size_t kMaxChain = 10;  // links followed; CoreDNS's maxCnameChainLength
  static constexpr std::size_t kInlineNames = kMaxChain + 4;  // question, targets, zone, spare
  static constexpr std::size_t kInlineAnswers = kMaxChain + 4;
  static constexpr std::size_t kInlineOther = 4;
  // Indexes of names are octets.
  static constexpr std::size_t kMaxNames = 255;
  // RRsets of a section: more records than 64 KiB hold.
  static constexpr std::size_t kMaxRRsets = 8192;

  Answer() noexcept;
  ~Answer();
  Answer(const Answer&) = delete;
  Answer& operator=(const Answer&) = delete;
  // The other is empty then, as after construction.
  Answer(Answer&& other) noexcept;
  Answer& operator=(Answer&& other) noexcept;

  Rcode rcode = Rcode::NoError;
  bool authoritative = false;
  bool recursion_available = false;
  bool truncated = false;       // incomplete for another reason than room
  bool authentic_data = false;  // AD, as an upstream said
  bool relayed = false;         // an upstream's: the rcode is its, and not ours to fail with
  bool overfull = false;        // not everything could be added: it is sent as SERVFAIL
  bool plain = false;           // every record is one of add_record(), see Exchange::take_apart
  ExtendedErrorNote error;
  // Seconds since it was kept, of one from the cache, for observers. Outlives reset(): only what
  // is told of who answered says whether it is this answer's.
  static constexpr std::uint32_t kNoAge = 0xFFFFFFFF;
  std::uint32_t age = kNoAge;

  // Read and changed in place; added to by what follows.
  AnswerName* names;
  RRsetRef* answer;
  RRsetRef* authority;
  RRsetRef* additional;
  std::uint16_t name_count = 0;
  std::uint16_t answer_count = 0;
  std::uint16_t authority_count = 0;
  std::uint16_t additional_count = 0;
  // Octets of the response when no name were compressed and without OPT: what CoreDNS reports as
  // a response's size. Set by encode_answer; of a truncated response, what was sent of it.
  std::uint32_t plain_size = 0;

  void reset(const std::uint8_t* question_name, std::uint8_t question_name_size) noexcept {
    rcode = Rcode::NoError;
    authoritative = recursion_available = truncated = authentic_data = false;
    relayed = overfull = plain = false;
    error.set = false;
    if (kept_ != nullptr) [[unlikely]]
      forget_kept();
    names[0] = {question_name, question_name_size, question_name_size, kHeaderSize};
    name_count = 1;
    answer_count = authority_count = additional_count = 0;
  }

  [[nodiscard]] std::span<RRsetRef> answers() noexcept { return {answer, answer_count}; }
  [[nodiscard]] std::span<const RRsetRef> answers() const noexcept {
    return {answer, answer_count};
  }
  [[nodiscard]] std::span<RRsetRef> authorities() noexcept { return {authority, authority_count}; }
  [[nodiscard]] std::span<const RRsetRef> authorities() const noexcept {
    return {authority, authority_count};
  }
  [[nodiscard]] std::span<RRsetRef> additionals() noexcept {
    return {additional, additional_count};
  }
  [[nodiscard]] std::span<const RRsetRef> additionals() const noexcept {
    return {additional, additional_count};
  }

  // Adds an RRset. False when there is no room: the answer is overfull then, or, for additional
  // data, goes without it.
  bool add_answer(const RRsetRef& rrset) noexcept {
    next_answer() = rrset;
    return !overfull;
  }
  bool add_authority(const RRsetRef& rrset) noexcept {
    next_authority() = rrset;
    return !overfull;
  }
  bool add_additional(const RRsetRef& rrset) noexcept {
    const std::uint16_t before = additional_count;
    next_additional() = rrset;
    return additional_count != before;
  }
  // The same for who fills it in where it stands, which costs less. What was there before is still
  // there. Valid until the next one of that section; without room it is none of the answer.
  [[nodiscard, gnu::always_inline]] RRsetRef& next_answer() noexcept {
    if (answer_count == answer_room_ && !grow(answer, answer_count, answer_room_)) [[unlikely]] {
      return no_room();
    }
    return answer[answer_count++];
  }
  [[nodiscard, gnu::always_inline]] RRsetRef& next_authority() noexcept {
    if (authority_count == authority_room_ && !grow(authority, authority_count, authority_room_))
        [[unlikely]] {
      return no_room();
    }
    return authority[authority_count++];
  }
  [[nodiscard, gnu::always_inline]] RRsetRef& next_additional() noexcept {
    if (additional_count == additional_room_ &&
        !grow(additional, additional_count, additional_room_)) [[unlikely]] {
      return spare_;
    }
    return additional[additional_count++];
  }
  // Adds one record by value: `rdata` in wire form, names in it in full. As write_rdata() has it.
  bool add_record(Section section, std::uint8_t owner, RRType type, std::uint32_t ttl,
                  std::span<const std::uint8_t> rdata) noexcept;

  // Index of a name that is a suffix of the question name (a zone apex, for example).
  std::uint8_t add_question_suffix(std::uint8_t suffix_size) noexcept {
    const auto skip = static_cast<std::uint16_t>(names[0].size - suffix_size);
    return put_name({names[0].wire + skip, suffix_size, suffix_size,
                     static_cast<std::uint16_t>(kHeaderSize + skip)});
  }
  // Index of another name; `wire` must live as long as the answer. Without room: that of the
  // question, and the answer is overfull.
  std::uint8_t add_name(const std::uint8_t* wire, std::uint8_t size) noexcept {
    return put_name({wire, size, 0, 0});
  }
  // Index of `name` in any letter case; a copy is added when it is not there. nullopt without room:
  // the answer is not overfull for that.
  [[nodiscard]] std::optional<std::uint8_t> find_or_add_name(NameView name) noexcept;

  // Adds an option; `data` must live as long as the answer, see keep(). False without room. Options
  // that do not fit the response are left out.
  bool add_option(std::uint16_t code, std::span<const std::uint8_t> data) noexcept;
  [[nodiscard]] std::span<const EdnsOption> options() const noexcept;
  [[nodiscard]] bool has_options() const noexcept { return kept_ != nullptr && !options().empty(); }

  // A copy of `octets` that lives as long as the answer, with kPadding readable octets behind it;
  // nullptr: no memory, and the answer is overfull.
  [[nodiscard]] const std::uint8_t* keep(std::span<const std::uint8_t> octets) noexcept;

  // Takes over the error of another answer, with copies of its texts. Without memory they are
  // empty.
  void keep_error(const ExtendedErrorNote& note) noexcept;

  // Makes it SERVFAIL without records. What encode_answer() does with one that is overfull.
  void give_up() noexcept;

 private:
  struct Kept;

  std::uint8_t put_name(const AnswerName& name) noexcept {
    if (name_count == name_room_ && !grow_names()) [[unlikely]] {
      overfull = true;
      return 0;
    }
    names[name_count] = name;
    return static_cast<std::uint8_t>(name_count++);
  }
  // More room for a list; false when there is none to be had.
  [[nodiscard]] bool grow(RRsetRef*& list, std::uint16_t count, std::uint16_t& room) noexcept;
  [[nodiscard]] bool grow_names() noexcept;
  [[nodiscard]] Kept* kept() noexcept;
  // Gives most of what was taken back, and forgets what is in the rest.
  void forget_kept() noexcept;
  void point_inside() noexcept;
  RRsetRef& no_room() noexcept {
    overfull = true;
    return spare_;
  }

  std::uint16_t name_room_ = kInlineNames;
  std::uint16_t answer_room_ = kInlineAnswers;
  std::uint16_t authority_room_ = kInlineOther;
  std::uint16_t additional_room_ = kInlineOther;
  std::unique_ptr<Kept> kept_;  // nullptr: all is inside
  std::array<AnswerName, kInlineNames> inline_names_;
  std::array<RRsetRef, kInlineAnswers> inline_answer_;
  std::array<RRsetRef, kInlineOther> inline_authority_;
  std::array<RRsetRef, kInlineOther> inline_additional_;
  RRsetRef spare_;  // written to when there is no room
};

}  // namespace clusterdns::dns
