#include "zones/file/rdata_text.h"

#include <ldns/ldns.h>

#include <charconv>
#include <memory>

#include "dns/wire/message_reader.h"
#include "dns/wire/rdata_layout.h"

namespace clusterdns::zones {
namespace {

using dns::RRType;

// A message has room for no more beside a question and an owner.
constexpr std::size_t kMaxRdata = dns::kMaxMessageSize - 1024;
constexpr RRType kWks{11};
constexpr RRType kCert{37};
constexpr RRType kIpseckey{45};

struct FreeRecord {
  void operator()(ldns_rr* record) const noexcept { ldns_rr_free(record); }
};
struct FreeField {
  void operator()(ldns_rdf* field) const noexcept { ldns_rdf_deep_free(field); }
};

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_decimal(Word word) noexcept {
  return !word.empty() && word.find_first_not_of("0123456789") == Word::npos;
}

// ldns takes numbers by as many bits as the field has: what does not fit must be found before.
std::string check_numbers(RRType type, std::span<const Word> words) {
  std::size_t i = 0;
  for (const char field : dns::rdata_layout(type)) {
    if (i == words.size()) break;
    const Word word = words[i++];
    if (field == 'n' || field == 'd' || field == 'T') continue;
    const std::uint64_t most = field == '1'   ? 0xFF
                               : field == '2' ? 0xFFFF
                               : field == '4' ? 0xFFFFFFFF
                                              : 0;
    if (most == 0) break;
    std::uint64_t number = 0;
    const std::errc error = std::from_chars(word.data(), word.data() + word.size(), number).ec;
    // A time in units, a mnemonic of an algorithm: the library knows them.
    if (word.starts_with('-') || (is_decimal(word) && (error != std::errc() || number > most))) {
      return "'" + std::string(word) + "' is not a number from 0 to " + std::to_string(most);
    }
  }
  return {};
}

}  // namespace

bool may_stand_in_zone(RRType type) noexcept {
  return type != RRType{0} && type != RRType::ANY && !dns::is_meta_type(type);
}

bool zone_type_from_text(std::string_view text, RRType* type) {
  if (dns::rrtype_from_text(text, type)) return true;
  // Types that are known to the library alone.
  const std::string name(text);
  const ldns_rr_type found = ldns_get_rr_type_by_name(name.c_str());
  if (found == 0) return false;
  *type = RRType{static_cast<std::uint16_t>(found)};
  return true;
}

RdataText::~RdataText() { FreeField()(static_cast<ldns_rdf*>(origin_)); }

void RdataText::set_origin(const dns::Name& origin) {
  ldns_rdf* const fresh = ldns_rdf_new_frm_data(LDNS_RDF_TYPE_DNAME, origin.size(), origin.data());
  FreeField()(static_cast<ldns_rdf*>(origin_));
  origin_ = fresh;
}

std::string RdataText::read(RRType type, std::span<const Word> words,
                            std::vector<std::uint8_t>* rdata) {
  rdata->clear();
  std::string error;
  if (!words.empty() && words.front() == "\\#") {
    error = read_generic(words, rdata);
  } else if (type == kWks || type == kCert || type == kIpseckey) {
    // Of WKS ldns would look up protocols and services in files of the machine; of the others, when
    // they are wrong, it loses memory (1.8.3).
    error = "write it as '\\# LENGTH HEX' (RFC 3597 section 5)";
  } else {
    error = check_numbers(type, words);
    if (error.empty()) error = read_by_library(type, words, rdata);
  }
  if (!error.empty()) return error;
  if (rdata->size() > kMaxRdata) {
    return "it has more than " + std::to_string(kMaxRdata) +
           " octets, which no message has room for";
  }
  if (dns::check_rdata(type, *rdata, 0, rdata->size()) != dns::RdataCheck::Good) {
    return "this is not what a record of this type holds";
  }
  return {};
}

std::string RdataText::read_generic(std::span<const Word> words, std::vector<std::uint8_t>* rdata) {
  if (words.size() < 2 || !is_decimal(words[1]) || words[1].size() > 5) {
    return "'\\#' is followed by the number of octets and these in hexadecimal";
  }
  std::size_t size = 0;
  std::from_chars(words[1].data(), words[1].data() + words[1].size(), size);
  int high = -1;
  for (const Word word : words.subspan(2)) {
    for (const char c : word) {
      const int digit = hex_value(c);
      if (digit < 0) return "'" + std::string(1, c) + "' is not a hexadecimal digit";
      if (high < 0) {
        high = digit;
        continue;
      }
      rdata->push_back(static_cast<std::uint8_t>(high << 4 | digit));
      high = -1;
    }
  }
  if (high >= 0) return "the last octet has one hexadecimal digit only";
  if (rdata->size() != size) {
    return std::to_string(rdata->size()) + " octets are written, and " + std::to_string(size) +
           " said";
  }
  return {};
}

std::string RdataText::read_by_library(RRType type, std::span<const Word> words,
                                       std::vector<std::uint8_t>* rdata) {
  line_.assign(". 0 IN TYPE");
  line_ += std::to_string(static_cast<unsigned>(type));
  for (const Word word : words) {
    line_ += ' ';
    line_ += word;
  }
  ldns_rr* made = nullptr;
  const ldns_status status =
      ldns_rr_new_frm_str(&made, line_.c_str(), 0, static_cast<ldns_rdf*>(origin_), nullptr);
  if (status != LDNS_STATUS_OK) {
    switch (status) {
      case LDNS_STATUS_SYNTAX_MISSING_VALUE_ERR: return "something is missing at its end";
      case LDNS_STATUS_SYNTAX_SUPERFLUOUS_TEXT_ERR: return "there is too much at its end";
      case LDNS_STATUS_MEM_ERR: return "there is no memory left for it";
      default: return "its data cannot be read";
    }
  }
  const std::unique_ptr<ldns_rr, FreeRecord> record(made);
  for (std::size_t i = 0; i < ldns_rr_rd_count(made); ++i) {
    const ldns_rdf* const field = ldns_rr_rdf(made, i);
    if (field == nullptr) continue;
    const std::uint8_t* const data = ldns_rdf_data(field);
    rdata->insert(rdata->end(), data, data + ldns_rdf_size(field));
  }
  return {};
}

}  // namespace clusterdns::zones
