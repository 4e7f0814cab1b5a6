// What a fuzz target is: LLVMFuzzerTestOneInput, for libFuzzer and for our own runner alike, and
// seeds that are made in code because a binary file in the tree tells nobody anything.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

// Returns 0. Ends the process when something that must hold does not.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace clusterdns::fuzz {

using Octets = std::vector<std::uint8_t>;

// Inputs to start from, beside the files of the corpus; may be none.
std::vector<Octets> generated_seeds();

}  // namespace clusterdns::fuzz

// Like assert(), in every build.
#define FUZZ_REQUIRE(condition)                                                           \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
