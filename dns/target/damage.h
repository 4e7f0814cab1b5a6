// Messages that are wrong on purpose.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "dns/target/effects.h"

namespace clusterdns::dns {

// Does to `message`, an answer with a question section that ends at `question_end`, what `effects`
// has of badcase, badq, badid, counts, ptrloop, rdlen, qr0, cut and trail.
void damage(const Effects& effects, std::size_t question_end, std::vector<std::uint8_t>& message);

// What comes before the right answer `message` with `spoof`: an address that is wrong, or `message`
// for other types, under another id.
[[nodiscard]] std::vector<std::uint8_t> spoofed(const Query& query,
                                                std::span<const std::uint8_t> message);

}  // namespace clusterdns::dns
