// Evidence and scenarios as the JSON that the API gives.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "dns/target/evidence.h"

namespace clusterdns::app {

// All that `evidence` has noted, as JSON, piece by piece: queries are noted between two of them.
class EvidenceWriter {
 public:
  // `seed`: of the faults; nullopt: there are none.
  EvidenceWriter(std::shared_ptr<const dns::Evidence> evidence, dns::EvidenceFilter filter,
                 std::optional<std::uint64_t> seed)
      : evidence_(std::move(evidence)), filter_(std::move(filter)), seed_(seed) {}
  // Appends the next one, of a few hundred KiB at most. False: that was the last.
  bool write(std::string& piece);

 private:
  const std::shared_ptr<const dns::Evidence> evidence_;
  const dns::EvidenceFilter filter_;
  const std::optional<std::uint64_t> seed_;
  dns::EvidencePlace place_;
  bool begun_ = false;  // the head is written
  bool after_client_ = false;
  bool in_client_ = false;   // the last client's names are open
  bool after_name_ = false;  // and have one
};
// A line of the log, without its end.
[[nodiscard]] std::string evidence_line_json(const dns::EvidenceLine& line);

}  // namespace clusterdns::app
