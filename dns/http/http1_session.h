// HTTP/1.1 (RFC 9112) for DNS over HTTPS: one request at a time.
#pragma once

#include <memory>

#include "dns/http/http_session.h"

namespace clusterdns::dns {

[[nodiscard]] std::unique_ptr<HttpSession> make_http1_session(
    const HttpSession::Settings& settings);

}  // namespace clusterdns::dns
