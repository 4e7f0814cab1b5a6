// What readers of JSON (RFC 8259) share.
#pragma once

#include <string>
#include <string_view>

namespace clusterdns::registry {

// An escape `\uD800` to `\uDFFF` that is no half of a pair is grammatical JSON (RFC 8259, section
// 8.2), and means nothing. Boost.JSON refuses the whole text for one; Go, and so the API server and
// kubectl, read U+FFFD. Here they become `\uFFFD` in place, before Boost.JSON sees them.
[[nodiscard]] bool has_lone_surrogates(std::string_view json) noexcept;
void replace_lone_surrogates(std::string& json) noexcept;

// JSON that yaml-cpp is to read: YAML has no pairs of surrogates (YAML 1.2.2, section 5.7), so
// `\ud83d\ude80` becomes `\U0001f680`, and a lone one `\uFFFD`.
void write_surrogates_as_yaml(std::string& json);

}  // namespace clusterdns::registry
