// Zone files: what is read is printed record by record, and what is printed reads as the same
// records; every name of the table, and names made of them, are looked up.
#include <algorithm>
#include <set>
#include <string>

#include "dns/wire/message_reader.h"
#include "tests/fuzz/fuzz_target.h"
#include "zones/file/zone_reader.h"

namespace clusterdns::fuzz {

std::vector<Octets> generated_seeds() { return {}; }

namespace {

zones::ZoneReading read(const std::string& text, bool includes) {
  zones::ZoneReadOptions options;
  options.most_records = 20'000;
  options.most_octets = std::size_t{16} << 20;
  unsigned files = 0;
  using Text = boost::system::result<std::string, std::string>;
  options.open = [&](const std::filesystem::path& file, std::size_t) {
    // The file includes itself, under any name; a few times, for the time that it takes.
    if (file == "zone" || (includes && ++files < 10))
      return Text(boost::system::in_place_value, text);
    return Text(boost::system::in_place_error, "is not there");
  };
  return zones::read_zone_file("zone", dns::Name::from_text("example.").value(), options);
}

// In an order of its own: that of the records of a file is nothing that matters here.
std::multiset<std::string> records(const zones::ZoneTable& zone) {
  std::multiset<std::string> all;
  for (const auto& node : zone.nodes()) {
    for (const auto& rrset : zone.rrsets(node)) {
      zone.for_each(rrset, [&](std::span<const std::uint8_t> rdata) {
        FUZZ_REQUIRE(dns::check_rdata(rrset.type, rdata, 0, rdata.size()) == dns::RdataCheck::Good);
        all.insert(dns::name_to_text(zone.name(node)) + " " + std::to_string(rrset.ttl) + " TYPE" +
                   std::to_string(static_cast<unsigned>(rrset.type)) + " " +
                   dns::rdata_to_text(rrset.type, rdata) + "\n");
      });
    }
  }
  return all;
}

void look_up(const zones::ZoneTable& zone, const dns::Name& name) {
  std::array<std::uint8_t, dns::kMaxLabels + 1> offset;
  unsigned labels = 0;
  std::size_t at = 0;
  for (; name.data()[at] != 0; at += std::size_t{1} + name.data()[at]) {
    offset[labels++] = static_cast<std::uint8_t>(at);
  }
  offset[labels] = static_cast<std::uint8_t>(at);
  const auto place = zone.find(name.view(), offset.data(), labels);
  using Kind = zones::ZoneTable::Place::Kind;
  FUZZ_REQUIRE(place.node != nullptr || (place.kind == Kind::Nothing && place.encloser != nullptr));
  if (const auto* const nsec = zone.find_nsec(name.view())) {
    FUZZ_REQUIRE(zones::compare_canonically(zone.name(*nsec), name.view()) <= 0);
  }
}

}  // namespace
}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  const std::string text(data, data + size);
  const zones::ZoneReading first = fuzz::read(text, true);
  if (first.table == nullptr) {
    FUZZ_REQUIRE(!first.problems.empty());
    return 0;
  }
  const auto found = fuzz::records(*first.table);
  FUZZ_REQUIRE(found.size() == first.table->records());
  std::string printed;
  for (const std::string& line : found) printed += line;
  const zones::ZoneReading second = fuzz::read(printed, false);
  if (second.table == nullptr) {
    std::fprintf(stderr, "printed:\n%s\n%s\n", printed.c_str(),
                 to_string(second.problems.at(0)).c_str());
  }
  FUZZ_REQUIRE(second.table != nullptr);
  FUZZ_REQUIRE(fuzz::records(*second.table) == found);
  unsigned left = 1000;
  for (const auto& node : first.table->nodes()) {
    if (left-- == 0) break;
    const dns::Name name(first.table->name(node));
    FUZZ_REQUIRE(first.table->find_node(name.view()) == &node);
    fuzz::look_up(*first.table, name);
    if (const auto below = dns::Name::from_text("x.y").value().append(name.view())) {
      fuzz::look_up(*first.table, *below);
    }
  }
  return 0;
}
