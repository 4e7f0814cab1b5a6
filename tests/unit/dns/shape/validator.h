// What ldns says of the signatures of a response: our own code is not asked.
#pragma once

#include <ldns/ldns.h>
#include <openssl/evp.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <set>
#include <span>
#include <string>

namespace clusterdns::unit {

class Validator {
 public:
  // The keys of `zone`: "example.test."
  void trust(const std::string& zone, std::span<const std::uint8_t> rdata) {
    std::string text = zone + " 3600 IN DNSKEY " + std::to_string(rdata[0] << 8 | rdata[1]) +
                       " 3 " + std::to_string(rdata[3]) + " ";
    std::string base64(rdata.size() * 2, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(base64.data()),
                                     rdata.data() + 4, static_cast<int>(rdata.size() - 4));
    text += base64.substr(0, static_cast<std::size_t>(size));
    ldns_rr* key = nullptr;
    if (ldns_rr_new_frm_str(&key, text.c_str(), 3600, nullptr, nullptr) == LDNS_STATUS_OK) {
      ldns_rr_list_push_rr(keys_.get(), key);
    }
  }

  // Each RRset of the answer and the authority section, "OWNER TYPE", in their order, with what is
  // wrong with its signatures at that time: "unsigned", or ldns's words. Every signature has to be
  // good. Empty: nothing is wrong.
  [[nodiscard]] std::string judge(std::span<const std::uint8_t> message, std::uint32_t now) const {
    ldns_pkt* read = nullptr;
    if (ldns_wire2pkt(&read, message.data(), message.size()) != LDNS_STATUS_OK) return "no message";
    const std::unique_ptr<ldns_pkt, decltype(&ldns_pkt_free)> packet(read, &ldns_pkt_free);
    std::string wrong;
    for (const ldns_rr_list* section : {ldns_pkt_answer(read), ldns_pkt_authority(read)}) {
      wrong += judge_section(section, now);
    }
    return wrong;
  }

 private:
  struct FreeList {
    void operator()(ldns_rr_list* list) const noexcept { ldns_rr_list_deep_free(list); }
  };
  struct FreeShallow {
    void operator()(ldns_rr_list* list) const noexcept { ldns_rr_list_free(list); }
  };

  [[nodiscard]] std::string judge_section(const ldns_rr_list* section, std::uint32_t now) const {
    std::string wrong;
    std::set<std::string> seen;
    for (std::size_t i = 0; i < ldns_rr_list_rr_count(section); ++i) {
      const ldns_rr* const first = ldns_rr_list_rr(section, i);
      const ldns_rr_type type = ldns_rr_get_type(first);
      if (type == LDNS_RR_TYPE_RRSIG) continue;
      const std::unique_ptr<ldns_rr_list, FreeShallow> set(ldns_rr_list_new());
      const std::unique_ptr<ldns_rr_list, FreeShallow> signatures(ldns_rr_list_new());
      for (std::size_t k = 0; k < ldns_rr_list_rr_count(section); ++k) {
        ldns_rr* const other = ldns_rr_list_rr(section, k);
        if (ldns_dname_compare(ldns_rr_owner(other), ldns_rr_owner(first)) != 0) continue;
        if (ldns_rr_get_type(other) == type) ldns_rr_list_push_rr(set.get(), other);
        if (ldns_rr_get_type(other) == LDNS_RR_TYPE_RRSIG &&
            ldns_rdf2rr_type(ldns_rr_rrsig_typecovered(other)) == type) {
          ldns_rr_list_push_rr(signatures.get(), other);
        }
      }
      char* const owner = ldns_rdf2str(ldns_rr_owner(first));
      char* const type_text = ldns_rr_type2str(type);
      const std::string what = std::string(owner) + " " + type_text;
      std::free(owner);
      std::free(type_text);
      if (!seen.insert(what).second) continue;
      if (ldns_rr_list_rr_count(signatures.get()) == 0) wrong += what + ": unsigned\n";
      for (std::size_t k = 0; k < ldns_rr_list_rr_count(signatures.get()); ++k) {
        const std::unique_ptr<ldns_rr_list, FreeShallow> good(ldns_rr_list_new());
        const ldns_status status =
            ldns_verify_rrsig_keylist_time(set.get(), ldns_rr_list_rr(signatures.get(), k),
                                           keys_.get(), static_cast<time_t>(now), good.get());
        if (status != LDNS_STATUS_OK) {
          wrong += what + ": " + ldns_get_errorstr_by_id(status) + "\n";
        }
      }
    }
    return wrong;
  }

  std::unique_ptr<ldns_rr_list, FreeList> keys_{ldns_rr_list_new()};
};

}  // namespace clusterdns::unit
