#include "zones/file/transfer_reader.h"

#include <utility>

#include "dns/wire/message_reader.h"

namespace clusterdns::zones {

using dns::RRType;

TransferReader::TransferReader(const dns::Name& zone, std::uint16_t id, std::size_t most_records,
                               std::size_t most_octets)
    : zone_(zone), id_(id), builder_(zone, most_records, most_octets) {}

TransferReader::State TransferReader::fail(std::string why) {
  error_ = std::move(why);
  return State::Failed;
}

TransferReader::State TransferReader::take(std::span<const std::uint8_t> octets) {
  const auto read = dns::read_message(octets);
  if (!read) return fail("a message cannot be read: " + read.error().message());
  const dns::Message& message = *read;
  constexpr std::uint16_t kOpcodeBits = 0x7800;
  if (message.id != id_ || (message.flags & (dns::kFlagQR | kOpcodeBits)) != dns::kFlagQR) {
    return fail("a message is no reply to the query");
  }
  if (message.rcode != 0) return fail("rcode was " + dns::rcode_to_text(message.rcode));
  // RFC 5936 2.2.1: later messages may have none.
  if (message.has_question ? message.qtype != RRType::AXFR ||
                                 !dns::equal_ignoring_case(message.qname.view(), zone_.view())
                           : !begun_) {
    return fail("a message is about another question");
  }
  if (message.answer.empty()) return fail("a message has no records");
  for (std::size_t i = 0; i < message.answer.size(); ++i) {
    const dns::Record& record = message.answer[i];
    const std::string what = record.owner.to_text() + " " + dns::rrtype_to_text(record.type);
    if (record.rrclass != dns::RRClass::IN) return fail(what + " is not of class IN");
    if (dns::check_rdata(record.type, record.rdata, 0, record.rdata.size()) ==
        dns::RdataCheck::Bad) {
      return fail(what + " is not as its type has it");
    }
    const bool soa =
        record.type == RRType::SOA && dns::equal_ignoring_case(record.owner.view(), zone_.view());
    if (soa && begun_) {
      // The SOA once more is the end (RFC 5936 2.2).
      if (record.rdata != soa_) return fail("the zone changed meanwhile: its SOAs differ");
      if (i + 1 != message.answer.size()) return fail("there is more behind the last SOA");
      return State::Done;
    }
    if (!begun_) {
      if (!soa) return fail("it begins with " + what + " instead of the SOA");
      begun_ = true;
      soa_ = record.rdata;
    }
    switch (builder_.add(record.owner, record.type, record.ttl, record.rdata)) {
      case ZoneTable::Builder::Added::Yes: break;
      case ZoneTable::Builder::Added::Outside:
        if (++outside_ > kMaxOutside) return fail("most of its records are of other zones");
        break;
      case ZoneTable::Builder::Added::SecondSoa: return fail(what + " is a second SOA");
      case ZoneTable::Builder::Added::Full: return fail("the zone is larger than it may be");
    }
  }
  return State::More;
}

std::unique_ptr<const ZoneTable> TransferReader::finish(std::string* error,
                                                        std::vector<std::string>* warnings) {
  return builder_.finish(error, warnings);
}

}  // namespace clusterdns::zones
