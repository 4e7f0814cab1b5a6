// What to send, decided before a single octet of it is written (NSD's answer.h is the model).
#pragma once

#include <array>
#include <cstdint>

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
  std::uint8_t owner = 0;      // index into Answer::names
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
  const char* text = "";  // static storage
};

// Fixed size; one per worker, reused. A CNAME chain of kMaxChain links plus what it leads to fits.
struct Answer {
  static constexpr std::size_t kMaxChain = 10;   // links followed; CoreDNS's maxCnameChainLength
  static constexpr std::size_t kMaxNames = kMaxChain + 4;  // question, targets, zone, spare
  static constexpr std::size_t kMaxAnswers = kMaxChain + 4;
  static constexpr std::size_t kMaxOther = 4;

  Rcode rcode = Rcode::NoError;
  bool authoritative = false;
  bool recursion_available = false;
  bool truncated = false;  // incomplete for another reason than room
  bool authentic_data = false;  // AD, as an upstream said
  ExtendedErrorNote error;

  std::array<AnswerName, kMaxNames> names;
  std::array<RRsetRef, kMaxAnswers> answer;
  std::array<RRsetRef, kMaxOther> authority;
  std::array<RRsetRef, kMaxOther> additional;
  // Octets of the response when no name were compressed and without OPT: what CoreDNS reports as
  // a response's size. Set by encode_answer; of a truncated response, what was sent of it.
  std::uint32_t plain_size = 0;
  std::uint8_t name_count = 0;
  std::uint8_t answer_count = 0;
  std::uint8_t authority_count = 0;
  std::uint8_t additional_count = 0;

  void reset(const std::uint8_t* question_name, std::uint8_t question_name_size) noexcept {
    rcode = Rcode::NoError;
    authoritative = recursion_available = truncated = authentic_data = false;
    error.set = false;
    names[0] = {question_name, question_name_size, question_name_size, kHeaderSize};
    name_count = 1;
    answer_count = authority_count = additional_count = 0;
  }

  // Index of a name that is a suffix of the question name (a zone apex, for example).
  std::uint8_t add_question_suffix(std::uint8_t suffix_size) noexcept {
    const auto skip = static_cast<std::uint16_t>(names[0].size - suffix_size);
    names[name_count] = {names[0].wire + skip, suffix_size, suffix_size,
                         static_cast<std::uint16_t>(kHeaderSize + skip)};
    return name_count++;
  }
  // Index of another name; `wire` must live as long as the answer.
  std::uint8_t add_name(const std::uint8_t* wire, std::uint8_t size) noexcept {
    names[name_count] = {wire, size, 0, 0};
    return name_count++;
  }
  [[nodiscard]] bool has_room_for_link() const noexcept {
    return answer_count + 2u < kMaxAnswers && name_count + 2u < kMaxNames;
  }
};

}  // namespace clusterdns::dns
