// Keys of zones in the files that BIND's `dnssec-keygen` writes: for `dnssec` and `sign`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "app/directives/directive.h"
#include "dns/shape/signing_key.h"
#include "dns/wire/name.h"

namespace clusterdns::app {

// Octets of each of the two files of a key.
inline constexpr std::size_t kMaxKeyFile = 64 * 1024;
// Keys that `sign` signs a zone with.
inline constexpr std::size_t kMaxZoneKeys = 16;

struct SigningKeyFile {
  dns::Name owner;        // of the DNSKEY record; in lower case
  std::uint32_t ttl = 0;  // that it says; 0: none
  std::shared_ptr<const dns::SigningKey> key;
};

// The public half, of a DNSKEY record in a zone file's form.
struct PublicKeyText {
  dns::Name owner;
  std::uint32_t ttl = 0;
  std::uint16_t flags = 0;
  unsigned algorithm = 0;
  std::string key;  // octets
};
// Throws ConfigError with a position in `path`.
[[nodiscard]] PublicKeyText read_public_key(std::string_view text, const std::string& path);
// The private half, "Private-key-format: v1.3" and so on. `*algorithm` becomes what it says. Throws
// ConfigError with a position in `path`; no message repeats what stands in the file.
[[nodiscard]] dns::PrivateKey read_private_key(std::string_view text, const std::string& path,
                                               unsigned* algorithm);

// The key of `word`: "K<name>+<alg>+<tag>", or one of its two files, with ".key" or ".private";
// relative ones are in the folder of `root`. Warns of a private half that others may read. Throws
// ConfigError.
[[nodiscard]] SigningKeyFile read_zone_key(const Token& word, BlockSetup& setup);

}  // namespace clusterdns::app
