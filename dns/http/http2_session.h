// HTTP/2 (RFC 9113) for DNS over HTTPS.
#pragma once

#include <memory>

#include "dns/http/http_session.h"

namespace clusterdns::dns {

// Throws std::bad_alloc.
[[nodiscard]] std::unique_ptr<HttpSession> make_http2_session(
    const HttpSession::Settings& settings);

}  // namespace clusterdns::dns
