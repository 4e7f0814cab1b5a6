#include "app/console/replies.h"

#include <zlib.h>

#include <cstdint>

#include <fmt/format.h>

#include "app/base/json.h"

namespace clusterdns::app {
namespace {

// What is shorter is sent as it is.
constexpr std::size_t kWorthCompressing = 1024;

// Two 64-bit FNV-1a hashes of the same octets, begun differently: equal bodies have equal tags, and
// nobody gains by finding others.
std::string tag_of(std::string_view body) {
  constexpr std::uint64_t kPrime = 0x100000001B3U;
  std::uint64_t one = 0xCBF29CE484222325U;
  std::uint64_t two = 0x9AE16A3B2F90404FU;
  for (const char c : body) {
    one = (one ^ static_cast<unsigned char>(c)) * kPrime;
    two = (two ^ static_cast<unsigned char>(c)) * kPrime;
  }
  return fmt::format("W/\"{:016x}{:016x}\"", one, two);
}

}  // namespace

std::string_view reason_of(unsigned status) noexcept {
  switch (status) {
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 421: return "Misdirected Request";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    default: return "Error";
  }
}

HttpReply problem_reply(unsigned status, std::string_view detail) {
  HttpReply reply{status,
                  json_line({{"type", "about:blank"},
                             {"title", json_text(reason_of(status))},
                             {"status", status},
                             {"detail", json_text(detail)}}) +
                      "\n",
                  "application/problem+json"};
  if (status == 503) reply.headers.emplace_back("Retry-After", "5");
  return reply;
}

void add_safety_headers(HttpReply& reply) {
  reply.headers.insert(
      reply.headers.end(),
      {{"Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src "
        "'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"},
       {"X-Frame-Options", "DENY"},
       {"X-Content-Type-Options", "nosniff"},
       {"Referrer-Policy", "same-origin"},
       {"Cross-Origin-Resource-Policy", "same-origin"},
       {"Cross-Origin-Opener-Policy", "same-origin"}});
  for (const auto& [name, value] : reply.headers) {
    if (name == "Cache-Control") return;
  }
  // Asked again each time, by its tag.
  reply.headers.emplace_back("Cache-Control", "no-cache");
}

void set_etag(HttpReply& reply, std::string_view tag, std::string_view if_none_match) {
  reply.headers.emplace_back("ETag", tag);
  if (!matches_etag(if_none_match, tag)) return;
  reply.status = 304;
  reply.body.clear();
  reply.content_type.clear();
  reply.more = nullptr;
}

void add_etag(HttpReply& reply, std::string_view if_none_match) {
  set_etag(reply, tag_of(reply.body), if_none_match);
}

void compress(HttpReply& reply, std::string_view accept_encoding) {
  if (reply.body.size() < kWorthCompressing) return;
  reply.headers.emplace_back("Vary", "Accept-Encoding");
  if (!accepts(accept_encoding, "gzip")) return;
  constexpr int kGzipWindow = 15 + 16;  // zlib's way to say gzip
  constexpr int kMemory = 8;
  z_stream stream{};
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, kGzipWindow, kMemory, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return;  // no memory for it: sent as it is
  }
  std::string packed(deflateBound(&stream, reply.body.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(reply.body.data());
  stream.avail_in = static_cast<uInt>(reply.body.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool done = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  if (!done || packed.size() >= reply.body.size()) return;
  reply.body = std::move(packed);
  reply.headers.emplace_back("Content-Encoding", "gzip");
}

}  // namespace clusterdns::app
