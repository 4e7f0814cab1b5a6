// How the console replies: JSON, problem documents (RFC 9457), tags and compression.
#pragma once

#include <string>
#include <string_view>

#include <boost/json/value.hpp>

#include "app/admin/http_message.h"

namespace clusterdns::app {

// {"type": "about:blank", "title": …, "status": …, "detail": …}
[[nodiscard]] HttpReply problem_reply(unsigned status, std::string_view detail);
// RFC 9110 15: "Not Found"
[[nodiscard]] std::string_view reason_of(unsigned status) noexcept;

// Adds what every reply of the console has: nothing of it may be framed, sniffed, or run as a
// script of somebody else's.
void add_safety_headers(HttpReply& reply);

// Gives `reply` this ETag, and makes it 304 when the client has that already.
void set_etag(HttpReply& reply, std::string_view tag, std::string_view if_none_match);
// The same by its body.
void add_etag(HttpReply& reply, std::string_view if_none_match);
// Compresses the body with gzip when `accept_encoding` allows it and it is worth it.
void compress(HttpReply& reply, std::string_view accept_encoding);

}  // namespace clusterdns::app
