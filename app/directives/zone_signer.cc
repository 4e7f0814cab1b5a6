#include "app/directives/zone_signer.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>
#include <sstream>

#include "dns/shape/rrset_to_sign.h"
#include "dns/wire/message_reader.h"

namespace clusterdns::app {
namespace {

using dns::NameView;
using dns::RRType;
using Octets = std::span<const std::uint8_t>;
using Node = zones::ZoneTable::Node;

constexpr RRType kCds{59};
constexpr RRType kCdnskey{60};
constexpr std::size_t kPiece = std::size_t{64} * 1024;

// Made by signing, whatever a zone has of them.
bool is_made(RRType type) noexcept {
  return type == RRType::RRSIG || type == RRType::NSEC || type == RRType::DNSKEY || type == kCds ||
         type == kCdnskey;
}

// Types whose text every reader of master files takes; others are written as RFC 3597 section 5 has
// it.
bool has_common_text(RRType type) noexcept {
  switch (type) {
    case RRType::A:
    case RRType::NS:
    case RRType::CNAME:
    case RRType::SOA:
    case RRType::PTR:
    case RRType::MX:
    case RRType::TXT:
    case RRType::AAAA:
    case RRType::SRV:
    case RRType::DNAME:
    case RRType::DS:
    case RRType::RRSIG:
    case RRType::NSEC:
    case RRType::DNSKEY: return true;
    default: return type == kCds || type == kCdnskey;
  }
}

std::string hex(Octets octets) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t octet : octets) {
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}

// DS of a DNSKEY record, with SHA-256 (RFC 4034 section 5.1.4, RFC 4509).
std::vector<std::uint8_t> make_ds(NameView owner, const dns::SigningKey& key) {
  std::vector<std::uint8_t> signed_octets(owner.begin(), owner.end());
  signed_octets.insert(signed_octets.end(), key.rdata().begin(), key.rdata().end());
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(signed_octets.data(), signed_octets.size(), digest.data(), &size, EVP_sha256(),
                 nullptr) != 1) {
    return {};
  }
  std::vector<std::uint8_t> ds{static_cast<std::uint8_t>(key.tag() >> 8),
                               static_cast<std::uint8_t>(key.tag()),
                               static_cast<std::uint8_t>(key.algorithm()), 2};
  ds.insert(ds.end(), digest.begin(), digest.begin() + size);
  return ds;
}

class Signer {
 public:
  Signer(const zones::ZoneTable& zone, const ZoneSigning& signing,
         const std::function<bool(std::string_view)>& write, const std::atomic<bool>* abandoned)
      : zone_(zone), signing_(signing), write_(write), abandoned_(abandoned) {}

  std::string run() {
    std::vector<const Node*> owners;  // of NSEC records
    std::vector<const Node*> others;  // glue, and what a DNAME hides
    const auto nodes = zone_.nodes();
    for (std::uint32_t i = 0; i < nodes.size(); ++i) {
      const Node& node = nodes[i];
      const bool has_records =
          i == 0 || std::ranges::any_of(zone_.rrsets(node),
                                        [](const auto& rrset) { return !is_made(rrset.type); });
      if (!has_records) continue;
      (node.stop == zones::ZoneTable::kNone || node.stop == i ? owners : others).push_back(&node);
    }
    std::ranges::sort(owners, [&](const Node* a, const Node* b) {
      return zones::compare_canonically(zone_.name(*a), zone_.name(*b)) < 0;
    });
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const Node& node = *owners[i];
      const bool cut = node.stop != zones::ZoneTable::kNone;
      put_node(node, cut, zone_.name(*owners[(i + 1) % owners.size()]));
      if (!good()) return wrong();
    }
    for (const Node* const node : others) {
      for (const auto& rrset : zone_.rrsets(*node)) {
        if (is_made(rrset.type)) continue;
        zone_.for_each(rrset, [&](Octets rdata) {
          put_record(zone_.name(*node), rrset.type, rrset.ttl, rdata);
        });
      }
      if (!good()) return wrong();
    }
    flush();
    return wrong();
  }

 private:
  [[nodiscard]] bool good() const noexcept {
    return error_.empty() && (abandoned_ == nullptr || !*abandoned_);
  }
  [[nodiscard]] std::string wrong() const {
    return !error_.empty() || good() ? error_ : "it is not wanted any more";
  }

  void put_node(const Node& node, bool cut, NameView next) {
    const NameView owner = zone_.name(node);
    const bool apex = &node == &zone_.apex();
    std::vector<unsigned> types;
    const auto has = [&types](RRType type) { types.push_back(static_cast<unsigned>(type)); };
    has(RRType::RRSIG);
    has(RRType::NSEC);
    const auto put = [&](RRType type, std::uint32_t ttl) {
      // Servers of a delegation, and glue at its name, are not this zone's (RFC 4035 section 2.2).
      put_set(owner, type, ttl, !cut || type == RRType::DS);
      if (!cut || type == RRType::DS || type == RRType::NS) has(type);
    };
    if (apex) {
      std::vector<std::uint8_t> soa;
      zone_.for_each(zone_.soa(), [&](Octets rdata) { soa.assign(rdata.begin(), rdata.end()); });
      dns::store_u32(soa.data() + soa.size() - 20, signing_.serial);
      records_.assign(1, soa);
      const std::uint32_t ttl = zone_.soa().ttl;
      put(RRType::SOA, ttl);
      records_.clear();
      for (const auto& key : signing_.keys) {
        records_.emplace_back(key->rdata().begin(), key->rdata().end());
      }
      put(RRType::DNSKEY, ttl);
      put(kCdnskey, ttl);
      records_.clear();
      for (const auto& key : signing_.keys) records_.push_back(make_ds(owner, *key));
      put(kCds, ttl);
    }
    for (const auto& rrset : zone_.rrsets(node)) {
      if (is_made(rrset.type) || rrset.type == RRType::SOA) continue;
      records_.clear();
      zone_.for_each(rrset,
                     [&](Octets rdata) { records_.emplace_back(rdata.begin(), rdata.end()); });
      put(rrset.type, rrset.ttl);
    }
    std::ranges::sort(types);
    std::vector<std::uint8_t> nsec(next.begin(), next.end());
    dns::put_type_bitmap(types, 0, nsec);
    records_.assign(1, nsec);
    put_set(owner, RRType::NSEC, zone_.negative_ttl(), true);  // RFC 9077
  }

  // The records of `records_`, and signatures of them.
  void put_set(NameView owner, RRType type, std::uint32_t ttl, bool with_signatures) {
    rdata_.clear();
    for (const auto& record : records_) {
      put_record(owner, type, ttl, record);
      rdata_.emplace_back(record);
    }
    if (!with_signatures) return;
    set_.set(owner, type, ttl, zone_.origin(), rdata_);
    for (const auto& key : signing_.keys) {
      if (!good()) return;
      const Octets octets = set_.octets(*key, signing_.inception, signing_.expiration);
      std::array<std::uint8_t, dns::kMaxSignature> signature{};
      if (!key->sign(octets, signature.data())) {
        error_ = "OpenSSL does not sign, for want of memory";
        return;
      }
      rrsig_.clear();
      set_.put_rrsig(Octets(signature).first(key->signature_size()), rrsig_);
      put_record(owner, RRType::RRSIG, ttl, rrsig_);
    }
  }

  void put_record(NameView owner, RRType type, std::uint32_t ttl, Octets rdata) {
    const bool common = has_common_text(type);
    text_ += dns::name_to_text(owner) + "\t" + std::to_string(ttl) + "\tIN\t";
    text_ +=
        common ? dns::rrtype_to_text(type) : "TYPE" + std::to_string(static_cast<unsigned>(type));
    text_ += '\t';
    if (common) {
      text_ += dns::rdata_to_text(type, rdata);
    } else {
      text_ += "\\# " + std::to_string(rdata.size()) + " " + hex(rdata);
    }
    text_ += '\n';
    if (text_.size() >= kPiece) flush();
  }
  void flush() {
    if (error_.empty() && !text_.empty() && !write_(text_)) error_ = "it cannot be written";
    text_.clear();
  }

  const zones::ZoneTable& zone_;
  const ZoneSigning& signing_;
  const std::function<bool(std::string_view)>& write_;
  const std::atomic<bool>* const abandoned_;
  dns::RRsetToSign set_;
  std::vector<std::vector<std::uint8_t>> records_;
  std::vector<Octets> rdata_;
  std::vector<std::uint8_t> rrsig_;
  std::string text_;
  std::string error_;
};

// "20270123080000", or seconds (RFC 4034 section 3.2).
std::uint32_t time_of(const std::string& text) {
  if (text.size() != 14) {
    std::uint32_t seconds = 0;
    std::from_chars(text.data(), text.data() + text.size(), seconds);
    return seconds;
  }
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + size, value);
    return value;
  };
  std::tm time{};
  time.tm_year = number(0, 4) - 1900;
  time.tm_mon = number(4, 2) - 1;
  time.tm_mday = number(6, 2);
  time.tm_hour = number(8, 2);
  time.tm_min = number(10, 2);
  time.tm_sec = number(12, 2);
  return static_cast<std::uint32_t>(::timegm(&time));
}

std::string days(std::uint32_t seconds) {
  return std::to_string(seconds / 86'400) + " days and " + std::to_string(seconds % 86'400 / 3600) +
         " hours";
}

}  // namespace

std::string sign_zone(const zones::ZoneTable& zone, const ZoneSigning& signing,
                      const std::function<bool(std::string_view)>& write,
                      const std::atomic<bool>* abandoned) {
  return Signer(zone, signing, write, abandoned).run();
}

SignedSoa find_signed_soa(std::string_view text) {
  SignedSoa soa;
  for (int line = 0; line < 100 && !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::istringstream words{std::string(text.substr(0, end))};
    text.remove_prefix(std::min(end + 1, text.size()));
    // … RRSIG SOA ALGORITHM LABELS TTL EXPIRATION INCEPTION TAG …
    std::string word;
    while (words >> word && word != "RRSIG") {
    }
    std::array<std::string, 7> fields;
    for (std::string& field : fields) words >> field;
    if (fields[0] != "SOA" || fields[6].empty()) continue;
    std::uint16_t tag = 0;
    std::from_chars(fields[6].data(), fields[6].data() + fields[6].size(), tag);
    soa.signatures.push_back({time_of(fields[5]), time_of(fields[4]), tag});
  }
  return soa;
}

std::string why_sign(const SignedSoa& soa,
                     std::span<const std::shared_ptr<const dns::SigningKey>> keys,
                     std::uint32_t now) {
  if (soa.signatures.empty()) return "there is no signature of an SOA in its first 100 lines";
  for (const SignedSoa::Signature& each : soa.signatures) {
    if (each.inception > now) return "its signatures begin in the future";
    if (now - each.inception > kResignAfter) {
      return "its signatures began " + days(now - each.inception) + " ago";
    }
    if (each.expiration <= now) return "its signatures have expired";
    if (each.expiration - now < kResignBefore) {
      return "its signatures expire in " + days(each.expiration - now);
    }
  }
  const auto is_signed_by = [&](const std::shared_ptr<const dns::SigningKey>& key) {
    return std::ranges::any_of(soa.signatures,
                               [&](const auto& each) { return each.tag == key->tag(); });
  };
  if (soa.signatures.size() != keys.size() || !std::ranges::all_of(keys, is_signed_by)) {
    return "it was signed with other keys";
  }
  return {};
}

}  // namespace clusterdns::app
