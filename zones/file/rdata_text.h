// RDATA from its text form.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "dns/wire/name.h"
#include "dns/wire/types.h"

namespace clusterdns::zones {

// One word of a zone file, as it stands there: escapes are kept, quotes too.
using Word = std::string_view;

// Types that ask for something, or that sign or carry messages: no zone holds them.
[[nodiscard]] bool may_stand_in_zone(dns::RRType type) noexcept;

// The type called `text`: "MX", "TYPE65534". False: there is none.
[[nodiscard]] bool zone_type_from_text(std::string_view text, dns::RRType* type);

// Makes RDATA of words, in the presentation format of each type (RFC 1035 5.1 and the type's own
// document) or in that of all of them (RFC 3597 section 5). One thread's.
class RdataText {
 public:
  RdataText() = default;
  ~RdataText();
  RdataText(const RdataText&) = delete;
  RdataText& operator=(const RdataText&) = delete;

  // What relative names are relative to.
  void set_origin(const dns::Name& origin);

  // Into `*rdata`, names in full. Empty, or what is wrong: "8 octets are written, and 7 said".
  [[nodiscard]] std::string read(dns::RRType type, std::span<const Word> words,
                                 std::vector<std::uint8_t>* rdata);

 private:
  [[nodiscard]] std::string read_generic(std::span<const Word> words,
                                         std::vector<std::uint8_t>* rdata);
  [[nodiscard]] std::string read_by_library(dns::RRType type, std::span<const Word> words,
                                            std::vector<std::uint8_t>* rdata);

  void* origin_ = nullptr;  // ldns_rdf
  std::string line_;
};

}  // namespace clusterdns::zones
