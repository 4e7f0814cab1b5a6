// Master files (RFC 1035 section 5) into a table.
//
// Lines, directives, owners, TTLs and classes are read here, so that an error has file and line,
// and so that everything has a bound; what a type's data looks like is ldns's knowledge
// (rdata_text.h).
#pragma once

#include <atomic>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <boost/system/result.hpp>

#include "dns/wire/name.h"
#include "registry/problem.h"
#include "zones/file/zone_table.h"

namespace clusterdns::zones {

// Octets of a zone's file and of all that it includes.
inline constexpr std::size_t kMaxZoneFileOctets = std::size_t{512} * 1024 * 1024;
// $INCLUDE inside of $INCLUDE, and how often it may be given in all.
inline constexpr unsigned kMaxZoneIncludeDepth = 8;
inline constexpr unsigned kMaxZoneIncludes = 1000;
// Octets of one record's text, over however many lines.
inline constexpr std::size_t kMaxZoneRecordText = std::size_t{256} * 1024;
// Errors after which a file is not read any further.
inline constexpr std::size_t kMaxZoneErrors = 10;

struct ZoneReading {
  std::unique_ptr<const ZoneTable> table;    // nullptr: there is an error among `problems`
  std::vector<registry::Problem> problems;   // with file and line
  std::vector<std::filesystem::path> files;  // that were read, or should have been
};

struct ZoneReadOptions {
  // The text of a file of at most `limit` octets, or why there is none. Empty: regular files.
  std::function<boost::system::result<std::string, std::string>(const std::filesystem::path& file,
                                                                std::size_t limit)>
      open = {};
  // Set by another thread: nobody waits for the result any more.
  const std::atomic<bool>* abandoned = nullptr;
  std::size_t most_records = kMaxZoneRecords;
  std::size_t most_octets = kMaxZoneOctets;
};

// Reads the zone `origin` from `file`. Paths of $INCLUDE are relative to the file that has it. One
// that cannot be read is an error; what is odd is a warning. May take seconds; any thread.
[[nodiscard]] ZoneReading read_zone_file(const std::filesystem::path& file, const dns::Name& origin,
                                         const ZoneReadOptions& options = {});

// A TTL: seconds, or numbers with a unit each, "1w2d3h4m5s"; at most 2^31 - 1 (RFC 2181 section 8).
[[nodiscard]] bool parse_zone_ttl(std::string_view text, std::uint32_t* ttl) noexcept;

}  // namespace clusterdns::zones
