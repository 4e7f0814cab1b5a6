// How much a configuration may ask for before it is taken for a mistake. All of them are far above
// real use; they exist so that no input, however odd, takes the memory or never ends.
#pragma once

#include <cstddef>

namespace clusterdns::app {

// A ConfigMap holds at most 1 MiB, and that is where Corefiles and their imports come from.
inline constexpr std::size_t kMaxCorefileSize = std::size_t{1} << 20;

// Words after all imports. A full 1 MiB file of four-octet words; it also ends snippets that import
// each other twice at every level.
inline constexpr std::size_t kMaxTokens = std::size_t{1} << 18;

// Imports inside imports. People use two levels.
inline constexpr std::size_t kMaxImportDepth = 32;

// How often `import` is expanded in all, and how many files one pattern may name.
inline constexpr std::size_t kMaxImports = 10'000;

// What all imports may have in all, in octets: files without words do not count as tokens.
inline constexpr std::size_t kMaxImportedSize = std::size_t{16} << 20;

// Blocks inside blocks. No directive needs more than three; it bounds the parser's recursion.
inline constexpr std::size_t kMaxBlockDepth = 32;

// `forward`s of a server block. A query comes past each that is not for its zone, and each has its
// own state in every worker.
inline constexpr std::size_t kMaxForwards = 256;

}  // namespace clusterdns::app
