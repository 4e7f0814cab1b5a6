// Records as conversations write them: OWNER TTL TYPE RDATA, in class IN.
#pragma once

#include <stdexcept>
#include <string>
#include <vector>

#include "dns/wire/message_reader.h"

namespace clusterdns::conversation {

// A step that cannot be read. what() says what is wrong with it.
class BadStep : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// These throw BadStep.
[[nodiscard]] dns::Name name_of(const std::string& word);
[[nodiscard]] std::uint32_t number_of(const std::string& word, std::uint32_t most);
// `words` from OWNER on.
[[nodiscard]] dns::Record record_of(const std::vector<std::string>& words);

// "host.example. 300 A 192.0.2.1"; the owner in lower case.
[[nodiscard]] std::string to_text(const dns::Record& record);

}  // namespace clusterdns::conversation
