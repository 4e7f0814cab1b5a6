// EDNS options of a query (RFC 6891 6.1.2), as few stages look at them: by value.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "dns/wire/query_parser.h"

namespace clusterdns::dns {

// Codes as IANA lists them.
inline constexpr std::uint16_t kOptionNsid = 3;          // RFC 5001
inline constexpr std::uint16_t kOptionClientSubnet = 8;  // RFC 7871

using EdnsOptionList = std::vector<std::pair<std::uint16_t, std::vector<std::uint8_t>>>;

// Those of `query`. REQUIRES: its packet is whole, see Exchange::owns().
[[nodiscard]] EdnsOptionList options_of(const Query& query);
// Whether `query` has an option with that code. REQUIRES: likewise.
[[nodiscard]] bool has_option(const Query& query, std::uint16_t code) noexcept;

// The first with that code.
[[nodiscard]] std::optional<std::span<const std::uint8_t>> find_option(
    const EdnsOptionList& options, std::uint16_t code) noexcept;
// In the place of the first with that code, or behind all.
void set_option(EdnsOptionList& options, std::uint16_t code, std::span<const std::uint8_t> data);
void remove_option(EdnsOptionList& options, std::uint16_t code);

// Writes it behind `octets`, unless these would be more than `most` then.
void append_option(std::vector<std::uint8_t>& octets, std::uint16_t code,
                   std::span<const std::uint8_t> data, std::size_t most);

}  // namespace clusterdns::dns
