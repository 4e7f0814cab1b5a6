// What other directives know of `tsig`.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/directives/directive.h"
#include "dns/wire/tsig.h"

namespace clusterdns::app {

// Octets of a file of `secrets`, and keys of a server.
inline constexpr std::size_t kMaxTsigFile = 1024 * 1024;
inline constexpr std::size_t kMaxTsigKeys = 1000;

[[nodiscard]] std::span<const Option> tsig_options();
void set_up_tsig(const Directive&, BlockSetup&);

// The key of that name, of a `tsig` in this block or in an earlier one of the same address. Throws
// ConfigError at `name` when there is none.
[[nodiscard]] std::shared_ptr<const dns::TsigKey> signing_key(const Token& name, BlockSetup& setup);

// Keys as in named.conf:
//   key "NAME" { algorithm hmac-sha256; secret "BASE64"; };
// with `//`, `#` and `/* */` comments. Throws ConfigError with a position in `path` at what is
// none.
[[nodiscard]] std::vector<dns::TsigKey> read_tsig_keys(std::string_view text,
                                                       const std::string& path);

}  // namespace clusterdns::app
