// Expectations about DNS responses. Each reports at the line of the caller and shows the whole
// response, so that a failure can be understood without running it again.
#pragma once

#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "support/dns_message.h"

namespace clusterdns::test {

using Location = std::source_location;

// Records as text, `owner ttl class type data`, in the order received.
[[nodiscard]] std::vector<std::string> texts(const std::vector<Record>& records);
// The data of the records of `type`, in the order received.
[[nodiscard]] std::vector<std::string> data_of(const std::vector<Record>& records,
                                               std::string_view type);

void expect_rcode(const Message& response, std::string_view rcode,
                  Location where = Location::current());

// NOERROR, AA, no TC, and exactly these answers in any order.
void expect_answer(const Message& response, std::vector<std::string> records,
                   Location where = Location::current());
// The same with the order.
void expect_answer_in_order(const Message& response, const std::vector<std::string>& records,
                            Location where = Location::current());
// The additional section holds exactly these, in any order.
void expect_additional(const Message& response, std::vector<std::string> records,
                       Location where = Location::current());

// RFC 2308, 3: one SOA alone in the authority section, owned by `zone` (text, any letter case;
// empty: any ancestor of the question name), whose TTL and minimum field both are `ttl` seconds.
void expect_negative_soa(const Message& response, std::string_view zone, std::uint32_t ttl,
                         Location where = Location::current());

inline constexpr std::uint32_t kDefaultTtl = 5;

// NOERROR or NXDOMAIN with AA, no answers, and that SOA.
void expect_nodata(const Message& response, std::string_view zone = "cluster.local.",
                   Location where = Location::current());
void expect_nxdomain(const Message& response, std::string_view zone = "cluster.local.",
                     Location where = Location::current());
// REFUSED with all sections empty.
void expect_refused(const Message& response, Location where = Location::current());

// True when `next` is `first` turned left by `by` places.
[[nodiscard]] bool is_rotation(const std::vector<std::string>& first,
                               const std::vector<std::string>& next, std::size_t by);

}  // namespace clusterdns::test
