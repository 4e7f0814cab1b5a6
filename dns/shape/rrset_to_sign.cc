#include "dns/shape/rrset_to_sign.h"

#include <algorithm>
#include <array>

#include "dns/wire/compressed_names.h"

namespace clusterdns::dns {
namespace {

using Octets = std::span<const std::uint8_t>;

std::uint8_t lower(std::uint8_t c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<std::uint8_t>(c + 0x20) : c;
}

// Where the names of RDATA begin, and how many there are, one behind the other: the types of RFC
// 4034 section 6.2.
CompressedNames names_in(RRType type, Octets rdata) noexcept {
  switch (static_cast<unsigned>(type)) {
    case 39: return {0, 1};  // DNAME
    case 17: return {0, 2};  // RP
    case 18:                 // AFSDB
    case 21:                 // RT
    case 36:                 // KX
      return {2, 1};
    case 26: return {2, 2};   // PX
    case 33: return {6, 1};   // SRV
    case 46: return {18, 1};  // RRSIG
    case 35: {                // NAPTR: behind three strings
      std::size_t at = 4;
      for (int i = 0; i < 3 && at < rdata.size(); ++i) at += std::size_t{1} + rdata[at];
      return {at, 1};
    }
    default: return compressed_names_of(type);
  }
}

void put_u16(std::vector<std::uint8_t>& to, std::size_t value) {
  to.push_back(static_cast<std::uint8_t>(value >> 8));
  to.push_back(static_cast<std::uint8_t>(value));
}
void put_u32(std::vector<std::uint8_t>& to, std::uint32_t value) {
  put_u16(to, value >> 16);
  put_u16(to, value);
}
void put_lower(std::vector<std::uint8_t>& to, Octets octets) {
  for (const std::uint8_t c : octets) to.push_back(lower(c));
}

// Labels of a name that a signature counts (RFC 4034 section 3.1.3): neither the root nor a first
// asterisk.
std::uint8_t count_labels(NameView name) noexcept {
  std::uint8_t labels = 0;
  for (std::size_t at = 0; name[at] != 0; at += std::size_t{1} + name[at]) ++labels;
  if (name.size() > 2 && name[0] == 1 && name[1] == '*') --labels;
  return labels;
}

constexpr std::size_t kTimes = 8;  // of an RRSIG: expiration and inception
constexpr std::size_t kTag = 16;
constexpr std::size_t kAlgorithm = 2;

}  // namespace

void put_type_bitmap(std::span<const unsigned> types, unsigned without,
                     std::vector<std::uint8_t>& to) {
  for (std::size_t i = 0; i < types.size();) {
    const unsigned window = types[i] >> 8;
    std::array<std::uint8_t, 32> bits{};
    std::size_t size = 0;
    for (; i < types.size() && types[i] >> 8 == window; ++i) {
      if (types[i] == without) continue;
      const unsigned low = types[i] & 0xFF;
      bits[low / 8] = static_cast<std::uint8_t>(bits[low / 8] | 0x80U >> low % 8);
      size = low / 8 + 1;
    }
    if (size == 0) continue;
    to.push_back(static_cast<std::uint8_t>(window));
    to.push_back(static_cast<std::uint8_t>(size));
    to.insert(to.end(), bits.begin(), bits.begin() + static_cast<std::ptrdiff_t>(size));
  }
}

void put_canonical_rdata(RRType type, Octets rdata, std::vector<std::uint8_t>& to) {
  const std::size_t begin = to.size();
  to.insert(to.end(), rdata.begin(), rdata.end());
  CompressedNames names = names_in(type, rdata);
  // Length octets are below 'A'.
  for (std::size_t at = begin + names.before; names.count != 0 && at < to.size(); ++at) {
    std::size_t left = to[at];
    if (left == 0) {
      --names.count;
      continue;
    }
    for (; left != 0 && at + 1 < to.size(); --left) {
      ++at;
      to[at] = lower(to[at]);
    }
  }
}

void RRsetToSign::set(NameView owner, RRType type, std::uint32_t original_ttl, NameView signer,
                      std::span<const Octets> rdata) {
  canonical_.clear();
  ends_.clear();
  for (const Octets each : rdata) {
    put_canonical_rdata(type, each, canonical_);
    ends_.push_back(canonical_.size());
  }
  sorted_.clear();
  std::size_t begin = 0;
  for (const std::size_t end : ends_) {
    sorted_.push_back(Octets(canonical_).subspan(begin, end - begin));
    begin = end;
  }
  // RFC 4034 section 6.3: as octets, without duplicates.
  std::sort(sorted_.begin(), sorted_.end(), [](Octets a, Octets b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  });
  sorted_.erase(std::unique(sorted_.begin(), sorted_.end(),
                            [](Octets a, Octets b) {
                              return std::equal(a.begin(), a.end(), b.begin(), b.end());
                            }),
                sorted_.end());

  octets_.clear();
  put_u16(octets_, static_cast<unsigned>(type));
  octets_.push_back(0);  // the algorithm
  octets_.push_back(count_labels(owner));
  put_u32(octets_, original_ttl);
  put_u32(octets_, 0);  // expiration
  put_u32(octets_, 0);  // inception
  put_u16(octets_, 0);  // the key's tag
  put_lower(octets_, signer);
  head_ = octets_.size();
  for (const Octets each : sorted_) {
    put_lower(octets_, owner);
    put_u16(octets_, static_cast<unsigned>(type));
    put_u16(octets_, static_cast<unsigned>(RRClass::IN));
    put_u32(octets_, original_ttl);
    put_u16(octets_, each.size());
    octets_.insert(octets_.end(), each.begin(), each.end());
  }
}

Octets RRsetToSign::octets(const SigningKey& key, std::uint32_t inception,
                           std::uint32_t expiration) {
  octets_[kAlgorithm] = static_cast<std::uint8_t>(key.algorithm());
  store_u32(octets_.data() + kTimes, expiration);
  store_u32(octets_.data() + kTimes + 4, inception);
  store_u16(octets_.data() + kTag, key.tag());
  return octets_;
}

void RRsetToSign::put_rrsig(Octets signature, std::vector<std::uint8_t>& to) const {
  to.insert(to.end(), octets_.begin(), octets_.begin() + static_cast<std::ptrdiff_t>(head_));
  to.insert(to.end(), signature.begin(), signature.end());
}

}  // namespace clusterdns::dns
