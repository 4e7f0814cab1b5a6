// `clusterdns query`: asks a server as nslookup or dig would, and shows every name it tried.
//
// Text output: one line for each question sent, then the sections as a zone file has them:
//
//   ;; python-www.default.svc.cluster.local. A  127.0.0.1:1053 udp  NOERROR, 4 answers  0.214 ms
//   python-www.default.svc.cluster.local. 5 IN A 10.244.0.10
//
// JSON output, one object; later versions may add members and keep these:
//
//   name            as asked
//   types           of the questions, in the order asked
//   status          "found", "nodata", "nxdomain", "failed" (SERVFAIL, REFUSED, ...) or "no-server"
//   rcode           of the deciding answer; null for "no-server"
//   found           the name that was found, absolute; null unless the status is "found"
//   tries           name, type, server ("ADDRESS:PORT"), transport ("udp", "tcp"), result
//                   ("answered", "truncated", "timed-out", "unreachable", "malformed"), rcode
//                   (null without an answer), answers (records), microseconds, error (text or null)
//   answer, authority, additional
//                   records: name, class, type, ttl (seconds), data (presentation format)
//   extended_errors code, name and text of RFC 8914
#pragma once

#include <ostream>
#include <string>

#include "app/commands/command_line.h"

namespace clusterdns::app {

// Exit codes are those of host(1): 0 when a server says that the name exists, be it without records
// of the type (NODATA); 1 for NXDOMAIN, any other rcode, and no answer; 2 for wrong use.
inline constexpr int kQueryFound = 0;
inline constexpr int kQueryNotFound = 1;
inline constexpr int kQueryUsage = 2;

// Blocks until the answer is there. The result goes to `out`; why there is none (except in JSON,
// which says it itself), wrong use and warnings to `err`.
[[nodiscard]] int run_query(const QueryOptions& options, std::ostream& out, std::ostream& err);

// The same with another file in the place of /etc/resolv.conf.
[[nodiscard]] int run_query(const QueryOptions& options, const std::string& resolv_conf,
                            std::ostream& out, std::ostream& err);

}  // namespace clusterdns::app
