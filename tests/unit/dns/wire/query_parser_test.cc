#include "dns/wire/query_parser.h"

#include <random>

#include "tests/unit/dns/query/request.h"

namespace clusterdns::dns {
namespace {

using unit::Octets;
using unit::Packet;
using unit::put_name;
using unit::put_record;
using unit::put_u16;
using unit::Request;

Gate gate_of(const Octets& octets, Query* query = nullptr) {
  const Packet packet(octets);
  Query parsed;
  const Gate gate = parse_query(packet.view(), parsed);
  if (query != nullptr) {
    *query = parsed;
    query->packet = nullptr;  // gone with `packet`
  }
  return gate;
}

// The counts of a header: questions, answers, authority, additional.
Octets with_counts(Octets octets, unsigned qd, unsigned an, unsigned ns, unsigned ar) {
  store_u16(&octets[4], static_cast<std::uint16_t>(qd));
  store_u16(&octets[6], static_cast<std::uint16_t>(an));
  store_u16(&octets[8], static_cast<std::uint16_t>(ns));
  store_u16(&octets[10], static_cast<std::uint16_t>(ar));
  return octets;
}

TEST(QueryParser, PlainQuery) {
  const Packet packet(Request{.qname = "WwW.eXample.com", .qtype = RRType::AAAA, .id = 0xBEEF});
  Query query;
  ASSERT_EQ(parse_query(packet.view(), query), Gate::Pass);
  EXPECT_EQ(query.packet, packet.view().data());
  EXPECT_EQ(query.size, packet.view().size());
  EXPECT_EQ(query.id, 0xBEEF);
  EXPECT_EQ(query.flags, kFlagRD);
  EXPECT_EQ(query.qtype, RRType::AAAA);
  EXPECT_EQ(query.qclass, RRClass::IN);
  EXPECT_EQ(query.qname_size, 17);
  EXPECT_EQ(query.question_end, 12 + 17 + 4);
  EXPECT_EQ(name_to_text(query.name()), "www.example.com.");
  EXPECT_EQ(name_to_text(query.name_as_asked()), "WwW.eXample.com.");
  ASSERT_EQ(query.label_count, 3);
  EXPECT_EQ(query.label_offset[0], 0);
  EXPECT_EQ(query.label_offset[1], 4);
  EXPECT_EQ(query.label_offset[2], 12);
  EXPECT_EQ(query.label_offset[3], 16);
  EXPECT_FALSE(query.has_edns);
  EXPECT_EQ(query.udp_size, 0);
  EXPECT_EQ(query.opt_offset, 0);
}

TEST(QueryParser, RootName) {
  Query query;
  ASSERT_EQ(gate_of(Request{.qname = ".", .qtype = RRType::NS}.wire(), &query), Gate::Pass);
  EXPECT_EQ(query.qname_size, 1);
  EXPECT_EQ(query.label_count, 0);
  EXPECT_EQ(query.label_offset[0], 0);
}

TEST(QueryParser, LongestName) {
  std::string text;
  for (int i = 0; i < 127; ++i) text += "A.";
  Query query;
  ASSERT_EQ(gate_of(Request{.qname = text}.wire(), &query), Gate::Pass);
  EXPECT_EQ(query.qname_size, kMaxNameSize);
  EXPECT_EQ(query.label_count, kMaxLabels);
  EXPECT_EQ(query.label_offset[127], 254);
  EXPECT_EQ(query.lower[1], 'a');

  // One label more does not fit a name.
  Octets octets = Request{}.wire();
  octets.resize(kHeaderSize);
  for (int i = 0; i < 128; ++i) octets.insert(octets.end(), {1, 'a'});
  octets.insert(octets.end(), {0, 0, 1, 0, 1});
  EXPECT_EQ(gate_of(octets), Gate::FormErr);
  // Nor does a longer label where 255 octets would be passed.
  octets.resize(kHeaderSize);
  for (int i = 0; i < 4; ++i) {
    octets.push_back(63);
    octets.insert(octets.end(), 63, 'b');
  }
  octets.insert(octets.end(), {0, 0, 1, 0, 1});
  EXPECT_EQ(gate_of(octets), Gate::FormErr);
}

TEST(QueryParser, AStateOfBeforeIsForgotten) {
  Query query;
  const Packet first(Request{.qname = "a.b", .edns = true, .dnssec_ok = true});
  ASSERT_EQ(parse_query(first.view(), query), Gate::Pass);
  const Packet second(Request{.qname = "c"});
  ASSERT_EQ(parse_query(second.view(), query), Gate::Pass);
  EXPECT_FALSE(query.has_edns);
  EXPECT_FALSE(query.dnssec_ok);
  EXPECT_EQ(query.udp_size, 0);
  EXPECT_EQ(query.label_count, 1);
  const Packet short_one(Octets(5, 0));
  EXPECT_EQ(parse_query(short_one.view(), query), Gate::Drop);
  EXPECT_EQ(query.question_end, 0);
  EXPECT_EQ(query.qname_size, 0);
}

TEST(QueryParser, ShorterThanAHeaderIsDropped) {
  const Octets whole = Request{.qname = "a"}.wire();
  for (std::size_t size = 0; size < kHeaderSize; ++size) {
    EXPECT_EQ(gate_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)}),
              Gate::Drop)
        << size;
  }
}

TEST(QueryParser, ResponsesAreDropped) {
  EXPECT_EQ(gate_of(Request{.qname = "a", .flags = kFlagQR}.wire()), Gate::Drop);
  // Whatever else is wrong with them.
  EXPECT_EQ(gate_of(Request{.flags = kFlagQR | 0x2800}.wire()), Gate::Drop);
  EXPECT_EQ(gate_of(with_counts(Request{.flags = kFlagQR}.wire(), 9, 9, 9, 9)), Gate::Drop);
}

TEST(QueryParser, OtherOpcodes) {
  for (unsigned opcode = 1; opcode < 16; ++opcode) {
    Query query;
    const auto flags = static_cast<std::uint16_t>(opcode << 11);
    EXPECT_EQ(gate_of(Request{.qname = "a", .id = 77, .flags = flags}.wire(), &query),
              Gate::NotImp);
    EXPECT_EQ(query.question_end, 0) << "what follows may be of another format";
    EXPECT_EQ(query.id, 77);
  }
}

TEST(QueryParser, ExactlyOneQuestion) {
  const Octets one = Request{.qname = "a"}.wire();
  for (const unsigned count : {0U, 2U, 256U, 65535U}) {
    Query query;
    EXPECT_EQ(gate_of(with_counts(one, count, 0, 0, 0), &query), Gate::FormErr) << count;
    EXPECT_EQ(query.question_end, 0);
  }
  Octets two = with_counts(one, 2, 0, 0, 0);
  two.insert(two.end(), one.begin() + kHeaderSize, one.end());
  EXPECT_EQ(gate_of(two), Gate::FormErr);
}

TEST(QueryParser, CompressedOrUnknownLabelsInTheQuestion) {
  for (const int type : {0x40, 0x7F, 0x80, 0xC0, 0xFF}) {
    Octets octets = Request{.qname = "aa"}.wire();
    octets[kHeaderSize] = static_cast<std::uint8_t>(type);
    EXPECT_EQ(gate_of(octets), Gate::FormErr) << type;
  }
  Octets octets = Request{}.wire();
  octets.resize(kHeaderSize);
  octets.insert(octets.end(), {1, 'a', 0xC0, 12, 0, 1, 0, 1});
  EXPECT_EQ(gate_of(octets), Gate::FormErr);
}

TEST(QueryParser, TruncatedAtEveryOctet) {
  const Octets whole = Request{
      .qname = "www.example.com",
      .edns = true,
      .dnssec_ok = true,
      .options = {0, 10, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8, 0xFD, 0xE9, 0,
                  0}}.wire();
  ASSERT_EQ(gate_of(whole), Gate::Pass);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const Gate gate = gate_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_EQ(gate, size < kHeaderSize ? Gate::Drop : Gate::FormErr) << size;
  }
}

TEST(QueryParser, TrailingData) {
  Octets octets = Request{.qname = "a"}.wire();
  octets.push_back(0);
  Query query;
  EXPECT_EQ(gate_of(octets, &query), Gate::FormErr);
  EXPECT_NE(query.question_end, 0) << "the question can be echoed";
  octets = Request{.qname = "a", .edns = true}.wire();
  octets.push_back(0);
  EXPECT_EQ(gate_of(octets), Gate::FormErr);
}

TEST(QueryParser, CountsBeyondTheMessage) {
  const Octets octets = Request{.qname = "a"}.wire();
  EXPECT_EQ(gate_of(with_counts(octets, 1, 1, 0, 0)), Gate::FormErr);
  EXPECT_EQ(gate_of(with_counts(octets, 1, 0, 1, 0)), Gate::FormErr);
  EXPECT_EQ(gate_of(with_counts(octets, 1, 0, 0, 1)), Gate::FormErr);
  EXPECT_EQ(gate_of(with_counts(octets, 1, 65535, 65535, 65535)), Gate::FormErr);
}

TEST(QueryParserEdns, Fields) {
  Query query;
  const Request request{.qname = "a",
                        .edns = true,
                        .udp_size = 4096,
                        .dnssec_ok = true,
                        .options = {0, 3, 0, 0, 0xFF, 0xFF, 0, 2, 9, 9}};
  const Octets octets = request.wire();
  ASSERT_EQ(gate_of(octets, &query), Gate::Pass);
  EXPECT_TRUE(query.has_edns);
  EXPECT_TRUE(query.dnssec_ok);
  EXPECT_EQ(query.udp_size, 4096);
  EXPECT_EQ(query.edns_version, 0);
  EXPECT_EQ(query.opt_offset, query.question_end);
  EXPECT_EQ(query.opt_end, octets.size());
  ASSERT_EQ(gate_of(Request{.qname = "a", .edns = true, .udp_size = 0}.wire(), &query), Gate::Pass);
  EXPECT_FALSE(query.dnssec_ok);
  EXPECT_EQ(query.udp_size, 0);
}

TEST(QueryParserEdns, OtherVersions) {
  for (const int version : {1, 2, 255}) {
    Query query;
    EXPECT_EQ(
        gate_of(Request{.qname = "a", .edns = true, .version = static_cast<std::uint8_t>(version)}
                    .wire(),
                &query),
        Gate::BadVers);
    EXPECT_TRUE(query.has_edns);
    EXPECT_NE(query.question_end, 0);
  }
}

TEST(QueryParserEdns, TwoOptRecords) {
  Octets octets = with_counts(Request{.qname = "a", .edns = true}.wire(), 1, 0, 0, 2);
  put_record(octets, ".", RRType::OPT, 1232, 0, {});
  Query query;
  EXPECT_EQ(gate_of(octets, &query), Gate::FormErr);
  EXPECT_TRUE(query.has_edns) << "the FORMERR carries an OPT record";
}

TEST(QueryParserEdns, OptOutsideTheAdditionalSection) {
  const Octets octets = Request{.qname = "a", .edns = true}.wire();
  EXPECT_EQ(gate_of(with_counts(octets, 1, 1, 0, 0)), Gate::FormErr);
  EXPECT_EQ(gate_of(with_counts(octets, 1, 0, 1, 0)), Gate::FormErr);
}

// A response has an OPT record when the query had one, also when the gate is before it.
TEST(QueryParserEdns, IsReadForRefusalsToo) {
  const Octets good = Request{.qname = "a.b", .edns = true, .dnssec_ok = true}.wire();
  const auto refused = [](const Octets& octets, Gate gate, bool edns) {
    Query query;
    EXPECT_EQ(gate_of(octets, &query), gate);
    EXPECT_EQ(query.has_edns, edns);
    EXPECT_EQ(query.dnssec_ok, edns);
  };
  Octets other = good;
  other[2] |= 4 << 3;
  refused(other, Gate::NotImp, true);
  Octets two = good;
  two.insert(two.begin() + kHeaderSize, good.begin() + kHeaderSize, good.begin() + kHeaderSize + 9);
  refused(with_counts(two, 2, 0, 0, 1), Gate::FormErr, true);
  Octets none = good;
  none.erase(none.begin() + kHeaderSize, none.begin() + kHeaderSize + 9);
  refused(with_counts(none, 0, 0, 0, 1), Gate::FormErr, true);
  // Not where it cannot be found, or is not an OPT record.
  refused(with_counts(good, 2, 0, 0, 1), Gate::FormErr, false);
  refused(with_counts(none, 0, 1, 0, 0), Gate::FormErr, false);
  for (std::size_t size = kHeaderSize; size < other.size(); ++size) {
    refused({other.begin(), other.begin() + static_cast<std::ptrdiff_t>(size)}, Gate::NotImp,
            false);
  }
}

TEST(QueryParserEdns, OptMustBeOwnedByTheRoot) {
  Octets octets = with_counts(Request{.qname = "a"}.wire(), 1, 0, 0, 1);
  put_record(octets, "x", RRType::OPT, 1232, 0, {});
  EXPECT_EQ(gate_of(octets), Gate::FormErr);
  // A pointer to a root label is not the root label either (RFC 6891 6.1.2: must be 0).
  octets = with_counts(Request{.qname = "a"}.wire(), 1, 0, 0, 1);
  octets.insert(octets.end(), {0xC0, 14, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(gate_of(octets), Gate::FormErr);
}

TEST(QueryParserEdns, OptionsMustFillTheRdata) {
  for (const Octets& options : std::vector<Octets>{{0},
                                                   {0, 1},
                                                   {0, 1, 0},
                                                   {0, 1, 0, 1},
                                                   {0, 1, 0, 2, 7},
                                                   {0, 1, 0, 0, 0},
                                                   {0, 1, 0xFF, 0xFF, 1}}) {
    EXPECT_EQ(gate_of(Request{.qname = "a", .edns = true, .options = options}.wire()),
              Gate::FormErr)
        << options.size();
  }
}

// Owned by the root, with the algorithm "x." and a MAC of three octets (RFC 8945 4.2).
const Octets kTsig{0, 0, 250, 0, 255, 0, 0, 0, 0, 0, 22, 1,  'x', 0, 0, 0, 104,
                   0, 0, 0,   1, 44,  0, 3, 7, 8, 9, 42, 17, 0,   0, 0, 0};

TEST(QueryParserEdns, BetweenOtherRecords) {
  Octets octets = with_counts(Request{.qname = "a"}.wire(), 1, 0, 0, 3);
  put_record(octets, "x.y", RRType::A, 1, 5, {1, 2, 3, 4});
  const std::size_t start = octets.size();
  put_record(octets, ".", RRType::OPT, 700, 0, {});
  const std::size_t end = octets.size();
  octets.insert(octets.end(), {0xC0, 12});
  octets.insert(octets.end(), kTsig.begin() + 1, kTsig.end());
  Query query;
  ASSERT_EQ(gate_of(octets, &query), Gate::Pass);
  EXPECT_EQ(query.udp_size, 700);
  EXPECT_EQ(query.opt_offset, start);
  EXPECT_EQ(query.opt_end, end);
  for (std::size_t size = kHeaderSize; size < octets.size(); ++size) {
    EXPECT_EQ(gate_of({octets.begin(), octets.begin() + static_cast<std::ptrdiff_t>(size)}),
              Gate::FormErr)
        << size;
  }
}

TEST(QueryParser, RecordOwners) {
  // A bad label type, and a pointer cut in half.
  Octets octets = with_counts(Request{.qname = "a"}.wire(), 1, 0, 0, 1);
  Octets bad = octets;
  bad.insert(bad.end(), {0x40, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  EXPECT_EQ(gate_of(bad), Gate::FormErr);
  bad = octets;
  bad.push_back(0xC0);
  EXPECT_EQ(gate_of(bad), Gate::FormErr);
  // RDLENGTH beyond the end.
  bad = octets;
  put_record(bad, ".", RRType::A, 1, 0, {1, 2, 3, 4});
  store_u16(&bad[bad.size() - 6], 5);
  EXPECT_EQ(gate_of(bad), Gate::FormErr);
}

// A question for `a.` with one more record in the additional section, and an OPT behind it.
Gate gate_with(const Octets& record, Query* query = nullptr) {
  Octets octets = with_counts(Request{.qname = "a"}.wire(), 1, 0, 0, 2);
  octets.insert(octets.end(), record.begin(), record.end());
  put_record(octets, ".", RRType::OPT, 1232, 0x8000, {});
  return gate_of(octets, query);
}

Octets record_of(RRType type, const Octets& rdata) {
  Octets record;
  put_record(record, ".", type, 1, 0, rdata);
  return record;
}

// The records are not for us; they must be what their types say all the same. The answer to a bad
// one carries an OPT record.
TEST(QueryParser, RdataIsWhatItsTypeSays) {
  struct Case {
    RRType type;
    Octets rdata;
    bool good;
  };
  const std::uint8_t rdata_at = kHeaderSize + 7 + 11;  // behind the question and the fixed fields
  const Octets soa_tail{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0, 5};
  Octets soa{0xC0, 12, 1, 'b', 0xC0, 12};
  soa.insert(soa.end(), soa_tail.begin(), soa_tail.end());
  const std::vector<Case> cases{
      {RRType::A, {1, 2, 3, 4}, true},
      {RRType::A, {1, 2, 3}, false},
      {RRType::A, {1, 2, 3, 4, 5}, false},
      {RRType::A, {}, false},
      {RRType::AAAA, Octets(16), true},
      {RRType::AAAA, Octets(15), false},
      {RRType::CNAME, {0xC0, 12}, true},
      {RRType::CNAME, {0xC0, rdata_at}, false},      // to itself
      {RRType::CNAME, {0xC0, rdata_at + 2}, false},  // forwards
      {RRType::PTR, {1, 'b', 0xC0}, false},
      {RRType::PTR, {1, 'b', 0xC0, rdata_at}, false},  // a circle
      {RRType::NS, {5, 'b', 'c'}, false},              // beyond the record
      {RRType::NS, {0x41, 'b', 0}, false},
      {RRType::NS, {1, 'b', 0, 0}, false},
      {RRType::SOA, soa, true},
      {RRType::SOA, {soa.begin(), soa.end() - 1}, false},
      {RRType::MX, {0, 10, 1, 'b', 0}, true},
      {RRType::MX, {0, 10}, false},
      {RRType::SRV, {0, 0, 0, 0, 0, 53, 1, 'b', 0}, true},
      {RRType::SRV, {0, 0, 0, 0, 0, 1, 'b', 0}, false},
      {RRType::TXT, {2, 'b', 'c', 0}, true},
      {RRType::TXT, {3, 'b', 'c'}, false},
      {RRType::TXT, {}, false},
      {RRType::HINFO, {1, 'b', 2, 'c'}, false},
      {RRType::DNAME, {}, false},
      {RRType::RRSIG, {0, 1, 8, 2}, false},
      {RRType::NSEC, {0, 0, 33}, false},
      {RRType::HTTPS, {0, 1, 0, 0, 1, 0, 9}, false},
      {RRType{65280}, {1, 2, 3}, true},  // unknown: opaque (RFC 3597 section 3)
  };
  for (const Case& c : cases) {
    Query query;
    EXPECT_EQ(gate_with(record_of(c.type, c.rdata), &query), c.good ? Gate::Pass : Gate::FormErr)
        << rrtype_to_text(c.type) << " of " << c.rdata.size() << " octets";
    EXPECT_TRUE(query.has_edns && query.dnssec_ok) << rrtype_to_text(c.type);
  }
}

TEST(QueryParser, OwnersThatLeadNowhere) {
  const std::uint8_t owner_at = kHeaderSize + 7;
  const Octets fields{0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4};
  const auto gate = [&](Octets owner) {
    owner.insert(owner.end(), fields.begin(), fields.end());
    return gate_with(owner);
  };
  EXPECT_EQ(gate({0xC0, 12}), Gate::Pass);
  EXPECT_EQ(gate({0xC0, owner_at}), Gate::FormErr);
  EXPECT_EQ(gate({1, 'b', 0xC0, owner_at}), Gate::FormErr);
  EXPECT_EQ(gate({0xFF, 0xFF}), Gate::FormErr);
}

// RFC 8945 5.1: one, and the last record of all.
TEST(QueryParser, Tsig) {
  Octets octets = with_counts(Request{.qname = "a"}.wire(), 1, 0, 0, 1);
  const auto with = [&](std::initializer_list<Octets> records) {
    Octets out = with_counts(octets, 1, 0, 0, static_cast<unsigned>(records.size()));
    for (const Octets& record : records) out.insert(out.end(), record.begin(), record.end());
    return gate_of(out);
  };
  EXPECT_EQ(with({kTsig}), Gate::Pass);
  EXPECT_EQ(with({record_of(RRType::A, {1, 2, 3, 4}), kTsig}), Gate::Pass);
  EXPECT_EQ(with({kTsig, record_of(RRType::A, {1, 2, 3, 4})}), Gate::FormErr);
  EXPECT_EQ(with({kTsig, kTsig}), Gate::FormErr);
  // Cut anywhere, with an RDLENGTH that says so.
  for (std::size_t size = 0; size < kTsig.size() - 11; ++size) {
    Octets cut{kTsig.begin(), kTsig.begin() + 11 + static_cast<std::ptrdiff_t>(size)};
    store_u16(&cut[9], static_cast<std::uint16_t>(size));
    EXPECT_EQ(with({cut}), Gate::FormErr) << size;
  }
  // Not in the sections before.
  octets = Request{.qname = "a", .qtype = RRType::IXFR}.wire();
  octets.insert(octets.end(), kTsig.begin(), kTsig.end());
  EXPECT_EQ(gate_of(with_counts(octets, 1, 0, 1, 0)), Gate::FormErr);
}

// An IXFR question brings the SOA that its client has (RFC 1995 section 3).
TEST(QueryParser, RecordsOfOtherSections) {
  const Octets one = record_of(RRType::A, {1, 2, 3, 4});
  const auto gate = [](RRType qtype, const Octets& record, unsigned an, unsigned ns) {
    Octets octets = Request{.qname = "a", .qtype = qtype}.wire();
    octets.insert(octets.end(), record.begin(), record.end());
    return gate_of(with_counts(octets, 1, an, ns, 0));
  };
  EXPECT_EQ(gate(RRType::A, one, 1, 0), Gate::FormErr);
  EXPECT_EQ(gate(RRType::A, one, 0, 1), Gate::FormErr);
  EXPECT_EQ(gate(RRType::IXFR, one, 0, 1), Gate::Pass);
  EXPECT_EQ(gate(RRType::IXFR, record_of(RRType::A, {1, 2, 3}), 0, 1), Gate::FormErr);
}

TEST(QueryParser, MoreRecordsThanAQueryNeeds) {
  const Octets one = record_of(RRType::A, {1, 2, 3, 4});
  Octets octets = Request{.qname = "a"}.wire();
  for (unsigned i = 0; i < kMaxQueryRecords; ++i)
    octets.insert(octets.end(), one.begin(), one.end());
  EXPECT_EQ(gate_of(with_counts(octets, 1, 0, 0, kMaxQueryRecords)), Gate::Pass);
  octets.insert(octets.end(), one.begin(), one.end());
  EXPECT_EQ(gate_of(with_counts(octets, 1, 0, 0, kMaxQueryRecords + 1)), Gate::FormErr);
}

// Any octets get a verdict, and what passes is what it says. Mutations of good requests come
// further than noise does.
TEST(QueryParser, Mutations) {
  std::mt19937 random(42);
  const std::vector<Octets> seeds{
      Request{.qname = "a.b.c"}.wire(),
      Request{.qname = "www.example.com", .edns = true, .options = {0, 10, 0, 2, 1, 2}}.wire(),
      Request{.qname = ".", .edns = true}.wire()};
  unsigned passed = 0;
  for (int round = 0; round < 20000; ++round) {
    Octets octets = seeds[random() % seeds.size()];
    for (auto n = random() % 4; n > 0; --n) {
      octets[random() % octets.size()] = static_cast<std::uint8_t>(random());
    }
    if (random() % 4 == 0) octets.resize(random() % (octets.size() + 1));
    const Packet packet(octets);
    Query query;
    if (parse_query(packet.view(), query) != Gate::Pass) continue;
    ++passed;
    ASSERT_LE(query.question_end, octets.size());
    ASSERT_EQ(query.question_end, kHeaderSize + query.qname_size + 4u);
    std::size_t end = 0;
    const auto name = Name::from_message(packet.view(), kHeaderSize, &end);
    ASSERT_TRUE(name.has_value());
    ASSERT_EQ(end, kHeaderSize + query.qname_size);
    ASSERT_EQ(name->label_count(), query.label_count);
    Name lower = *name;
    lower.make_lower();
    ASSERT_EQ(lower, Name(query.name()));
    if (query.has_edns) {
      ASSERT_LE(query.opt_end, octets.size());
    }
  }
  EXPECT_GT(passed, 1000u);
}

}  // namespace
}  // namespace clusterdns::dns
