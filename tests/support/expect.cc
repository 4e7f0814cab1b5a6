#include "support/expect.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

namespace clusterdns::test {
namespace {

void fail(const Location& where, const std::string& what, const Message& response) {
  ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << what << '\n'
                                                                    << response.text();
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) {
    text += "  " + line + '\n';
  }
  return text.empty() ? "  (nothing)\n" : text;
}

void expect_flags_of_answer(const Message& response, const Location& where) {
  if (response.rcode != 0) {
    fail(where, "rcode " + rcode_to_text(response.rcode) + " instead of NOERROR", response);
  }
  if (!response.has(kFlagAA)) {
    fail(where, "AA is not set", response);
  }
  if (response.has(kFlagTC)) {
    fail(where, "TC is set", response);
  }
}

void expect_negative(const Message& response, int rcode, std::string_view zone,
                     const Location& where) {
  if (response.rcode != rcode) {
    fail(where, "rcode " + rcode_to_text(response.rcode) + " instead of " + rcode_to_text(rcode),
         response);
    return;
  }
  if (!response.has(kFlagAA)) {
    fail(where, "AA is not set", response);
  }
  if (!response.answer.empty()) {
    fail(where, "answers in a negative response", response);
  }
  if (!response.additional.empty()) {
    fail(where, "additional records in a negative response", response);
  }
  expect_negative_soa(response, zone, kDefaultTtl, where);
}

}  // namespace

std::vector<std::string> texts(const std::vector<Record>& records) {
  std::vector<std::string> result;
  for (const Record& record : records) {
    result.push_back(record.text());
  }
  return result;
}

std::vector<std::string> data_of(const std::vector<Record>& records, std::string_view type) {
  std::vector<std::string> result;
  for (const Record& record : records) {
    if (record.type == type_from_text(type)) {
      result.push_back(record.data);
    }
  }
  return result;
}

void expect_rcode(const Message& response, std::string_view rcode, Location where) {
  if (rcode_to_text(response.rcode) != rcode) {
    fail(where, "rcode " + rcode_to_text(response.rcode) + " instead of " + std::string(rcode),
         response);
  }
}

void expect_answer(const Message& response, std::vector<std::string> records, Location where) {
  expect_flags_of_answer(response, where);
  std::vector<std::string> got = texts(response.answer);
  std::sort(got.begin(), got.end());
  std::sort(records.begin(), records.end());
  if (got != records) {
    fail(where, "answer section differs; expected, in any order:\n" + joined(records), response);
  }
}

void expect_answer_in_order(const Message& response, const std::vector<std::string>& records,
                            Location where) {
  expect_flags_of_answer(response, where);
  if (texts(response.answer) != records) {
    fail(where, "answer section differs; expected, in this order:\n" + joined(records), response);
  }
}

void expect_additional(const Message& response, std::vector<std::string> records, Location where) {
  std::vector<std::string> got = texts(response.additional);
  std::sort(got.begin(), got.end());
  std::sort(records.begin(), records.end());
  if (got != records) {
    fail(where, "additional section differs; expected, in any order:\n" + joined(records),
         response);
  }
}

void expect_negative_soa(const Message& response, std::string_view zone, std::uint32_t ttl,
                         Location where) {
  if (response.authority.size() != 1 || response.authority[0].type != type_from_text("SOA")) {
    fail(where, "the authority section is not one SOA", response);
    return;
  }
  const Record& soa = response.authority[0];
  const std::string owner = lower(soa.owner);
  if (!zone.empty() && owner != lower(zone)) {
    fail(where, "SOA is not of " + std::string(zone), response);
  }
  if (!response.questions.empty()) {
    // The question's zone, or that of the last alias (RFC 2308, 2.1).
    std::string name = lower(response.questions[0].name);
    for (const Record& record : response.answer) {
      name = lower(record.data);
    }
    if (owner != "." && name != owner && !name.ends_with("." + owner)) {
      fail(where, "SOA of a zone that does not hold the name", response);
    }
  }
  std::istringstream fields(soa.data);
  std::string mname;
  std::string rname;
  std::uint32_t serial = 0;
  std::uint32_t refresh = 0;
  std::uint32_t retry = 0;
  std::uint32_t expire = 0;
  std::uint32_t minimum = 0;
  fields >> mname >> rname >> serial >> refresh >> retry >> expire >> minimum;
  if (soa.ttl != ttl || minimum != ttl) {
    fail(where,
         "SOA TTL " + std::to_string(soa.ttl) + " and minimum " + std::to_string(minimum) +
             " instead of " + std::to_string(ttl),
         response);
  }
}

void expect_nodata(const Message& response, std::string_view zone, Location where) {
  expect_negative(response, 0, zone, where);
}

void expect_nxdomain(const Message& response, std::string_view zone, Location where) {
  expect_negative(response, 3, zone, where);
}

void expect_refused(const Message& response, Location where) {
  if (rcode_to_text(response.rcode) != "REFUSED") {
    fail(where, "rcode " + rcode_to_text(response.rcode) + " instead of REFUSED", response);
  }
  if (!response.answer.empty() || !response.authority.empty() || !response.additional.empty()) {
    fail(where, "records in a REFUSED response", response);
  }
}

bool is_rotation(const std::vector<std::string>& first, const std::vector<std::string>& next,
                 std::size_t by) {
  if (first.size() != next.size() || first.empty()) {
    return false;
  }
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (next[i] != first[(i + by) % first.size()]) {
      return false;
    }
  }
  return true;
}

}  // namespace clusterdns::test
