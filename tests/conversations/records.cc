#include "tests/conversations/records.h"

#include <boost/asio/ip/address.hpp>
#include <cstdlib>
#include <span>

namespace clusterdns::conversation {
namespace {

using Octets = std::vector<std::uint8_t>;
using dns::RRType;

void put_u16(Octets& out, std::uint32_t value) {
  out.push_back(static_cast<std::uint8_t>(value >> 8));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put_u32(Octets& out, std::uint32_t value) {
  put_u16(out, value >> 16);
  put_u16(out, value & 0xFFFF);
}

void put_name(Octets& out, const std::string& word) {
  const dns::Name name = name_of(word);
  out.insert(out.end(), name.data(), name.data() + name.size());
}

template <class Address>
void put_address(Octets& out, const Address& address) {
  const auto octets = address.to_bytes();
  out.insert(out.end(), octets.begin(), octets.end());
}

// Each letter stands for what its type has at that place: a name, 16 or 32 bits.
void put_fields(Octets& out, std::string_view layout, std::span<const std::string> words) {
  if (words.size() != layout.size()) {
    throw BadStep("this type has " + std::to_string(layout.size()) + " fields of RDATA");
  }
  for (std::size_t i = 0; i < layout.size(); ++i) {
    if (layout[i] == 'n') put_name(out, words[i]);
    if (layout[i] == 's') put_u16(out, number_of(words[i], 0xFFFF));
    if (layout[i] == 'l') put_u32(out, number_of(words[i], 0xFFFFFFFF));
  }
}

Octets generic(std::span<const std::string> words) {
  Octets out;
  if (words.size() < 2) throw BadStep("write RDATA of this type as \\# LENGTH HEX");
  const std::uint32_t size = number_of(words[1], 0xFFFF);
  std::string digits;
  for (const std::string& word : words.subspan(2)) digits += word;
  if (digits.size() != std::size_t{size} * 2)
    throw BadStep("\\# has another length than its octets");
  for (std::size_t i = 0; i < digits.size(); i += 2) {
    out.push_back(
        static_cast<std::uint8_t>(std::strtoul(digits.substr(i, 2).c_str(), nullptr, 16)));
  }
  return out;
}

Octets rdata_of(RRType type, std::span<const std::string> words) {
  Octets out;
  if (words[0] == "\\#") return generic(words);
  boost::system::error_code error;
  switch (type) {
    case RRType::A: put_address(out, boost::asio::ip::make_address_v4(words[0], error)); break;
    case RRType::AAAA: put_address(out, boost::asio::ip::make_address_v6(words[0], error)); break;
    case RRType::CNAME:
    case RRType::DNAME:
    case RRType::NS:
    case RRType::PTR: put_fields(out, "n", words); break;
    case RRType::MX: put_fields(out, "sn", words); break;
    case RRType::SRV: put_fields(out, "sssn", words); break;
    case RRType::SOA: put_fields(out, "nnlllll", words); break;
    case RRType::TXT:
      for (const std::string& word : words) {
        if (word.size() < 2 || word.front() != '"' || word.back() != '"' || word.size() > 257) {
          throw BadStep("strings of TXT stand in quotes");
        }
        out.push_back(static_cast<std::uint8_t>(word.size() - 2));
        out.insert(out.end(), word.begin() + 1, word.end() - 1);
      }
      break;
    case RRType::RRSIG: {
      // COVERED SIGNER; the rest is always the same (RFC 4034 3.1).
      RRType covered{};
      if (words.size() != 2 || !dns::rrtype_from_text(words[0], &covered)) {
        throw BadStep("write RRSIG as COVERED-TYPE SIGNER");
      }
      put_u16(out, static_cast<std::uint16_t>(covered));
      out.insert(out.end(), {13, 2});  // ECDSA, labels
      for (int i = 0; i < 3; ++i) put_u32(out, 300);
      put_u16(out, 4711);
      put_name(out, words[1]);
      out.insert(out.end(), 64, 0x5A);
      break;
    }
    default: throw BadStep("write RDATA of this type as \\# LENGTH HEX");
  }
  if (error) throw BadStep("'" + words[0] + "' is not an address of this type");
  return out;
}

}  // namespace

dns::Name name_of(const std::string& word) {
  const auto name = dns::Name::from_text(word);
  if (!name) throw BadStep("'" + word + "' is not a domain name");
  return *name;
}

std::uint32_t number_of(const std::string& word, std::uint32_t most) {
  char* end = nullptr;
  const unsigned long value = std::strtoul(word.c_str(), &end, 10);
  if (word.empty() || word.front() < '0' || word.front() > '9' || *end != '\0' || value > most) {
    throw BadStep("'" + word + "' is not a number from 0 to " + std::to_string(most));
  }
  return static_cast<std::uint32_t>(value);
}

dns::Record record_of(const std::vector<std::string>& words) {
  if (words.size() < 4) throw BadStep("a record is written OWNER TTL TYPE RDATA");
  dns::Record record;
  record.owner = name_of(words[0]);
  record.ttl = number_of(words[1], 0xFFFFFFFF);
  record.rrclass = dns::RRClass::IN;
  if (!dns::rrtype_from_text(words[2], &record.type)) {
    throw BadStep("'" + words[2] + "' is not a type");
  }
  record.rdata = rdata_of(record.type, std::span(words).subspan(3));
  return record;
}

std::string to_text(const dns::Record& record) {
  dns::Name owner = record.owner;
  owner.make_lower();
  return owner.to_text() + " " + std::to_string(record.ttl) + " " +
         dns::rrtype_to_text(record.type) + " " + dns::rdata_to_text(record.type, record.rdata);
}

}  // namespace clusterdns::conversation
