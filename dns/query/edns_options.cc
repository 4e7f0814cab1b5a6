#include "dns/query/edns_options.h"

#include <algorithm>

namespace clusterdns::dns {
namespace {

// Calls `act(code, data)` for each option until it says false.
template <class Act>
void for_each_option(const Query& query, const Act& act) {
  if (!query.has_edns || query.opt_end < query.opt_offset + kOptRecordSize) return;
  const std::uint8_t* at = query.packet + query.opt_offset + kOptRecordSize;
  const std::uint8_t* const end = query.packet + query.opt_end;
  while (end - at >= 4) {
    const std::size_t size = load_u16(at + 2);
    if (static_cast<std::size_t>(end - at - 4) < size) return;
    if (!act(load_u16(at), std::span(at + 4, size))) return;
    at += 4 + size;
  }
}

auto place_of(const EdnsOptionList& options, std::uint16_t code) noexcept {
  return std::find_if(options.begin(), options.end(),
                      [code](const auto& option) { return option.first == code; });
}

}  // namespace

EdnsOptionList options_of(const Query& query) {
  EdnsOptionList list;
  for_each_option(query, [&](std::uint16_t code, std::span<const std::uint8_t> data) {
    list.emplace_back(code, std::vector<std::uint8_t>(data.begin(), data.end()));
    return true;
  });
  return list;
}

bool has_option(const Query& query, std::uint16_t code) noexcept {
  bool found = false;
  for_each_option(query, [&](std::uint16_t other, std::span<const std::uint8_t>) {
    found = other == code;
    return !found;
  });
  return found;
}

std::optional<std::span<const std::uint8_t>> find_option(const EdnsOptionList& options,
                                                         std::uint16_t code) noexcept {
  const auto at = place_of(options, code);
  if (at == options.end()) return std::nullopt;
  return at->second;
}

void set_option(EdnsOptionList& options, std::uint16_t code, std::span<const std::uint8_t> data) {
  const auto at = options.begin() + (place_of(options, code) - options.cbegin());
  std::vector<std::uint8_t> copy(data.begin(), data.end());
  if (at == options.end()) {
    options.emplace_back(code, std::move(copy));
  } else {
    at->second = std::move(copy);
  }
}

void remove_option(EdnsOptionList& options, std::uint16_t code) {
  std::erase_if(options, [code](const auto& option) { return option.first == code; });
}

void append_option(std::vector<std::uint8_t>& octets, std::uint16_t code,
                   std::span<const std::uint8_t> data, std::size_t most) {
  if (data.size() + 4 > most - std::min(most, octets.size())) return;
  const std::size_t at = octets.size();
  octets.resize(at + 4);
  store_u16(octets.data() + at, code);
  store_u16(octets.data() + at + 2, static_cast<std::uint16_t>(data.size()));
  octets.insert(octets.end(), data.begin(), data.end());
}

}  // namespace clusterdns::dns
