// A client of HTTP/2, octet by octet. Written without the library that the server uses, but for the
// decompression of header fields.
#pragma once

#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/dns/http/http2_frames.h"
#include "tests/unit/dns/query/request.h"

namespace clusterdns::unit {

using namespace http2;  // NOLINT: frames are written as a language of their own

// What comes back.
class Http2Reader {
 public:
  struct Frame {
    unsigned type, flags;
    std::uint32_t stream;
    Octets payload;
  };
  struct Response {
    std::map<std::string, std::string> fields;
    Octets body;
    bool ended = false;
    std::uint32_t reset = 0;  // its code
  };

  Http2Reader() { EXPECT_EQ(::nghttp2_hd_inflate_new(&inflater_), 0); }
  ~Http2Reader() { ::nghttp2_hd_inflate_del(inflater_); }
  Http2Reader(const Http2Reader&) = delete;
  Http2Reader& operator=(const Http2Reader&) = delete;

  void take(std::span<const std::uint8_t> octets) {
    left_.insert(left_.end(), octets.begin(), octets.end());
    for (;;) {
      if (left_.size() < 9) return;
      const std::size_t size =
          (std::size_t{left_[0]} << 16) | (std::size_t{left_[1]} << 8) | left_[2];
      if (left_.size() < 9 + size) return;
      Frame one{left_[3], left_[4], dns::load_u32(left_.data() + 5),
                Octets(left_.begin() + 9, left_.begin() + 9 + static_cast<std::ptrdiff_t>(size))};
      left_.erase(left_.begin(), left_.begin() + 9 + static_cast<std::ptrdiff_t>(size));
      look(one);
      frames.push_back(std::move(one));
    }
  }
  [[nodiscard]] std::size_t count(unsigned type) const {
    std::size_t n = 0;
    for (const Frame& each : frames) n += each.type == type ? 1 : 0;
    return n;
  }

  std::vector<Frame> frames;
  std::map<std::uint32_t, Response> responses;  // by stream
  bool gone = false;
  std::uint32_t gone_code = 0;
  std::uint32_t last_stream = 0;

 private:
  void look(const Frame& one) {
    Response& response = responses[one.stream];
    if (one.type == kHeaders) {
      const std::uint8_t* at = one.payload.data();
      std::size_t size = one.payload.size();
      for (;;) {
        nghttp2_nv field;
        int flags = 0;
        const ssize_t used = ::nghttp2_hd_inflate_hd2(inflater_, &field, &flags, at, size, 1);
        ASSERT_GE(used, 0);
        at += used;
        size -= static_cast<std::size_t>(used);
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0) {
          response.fields[std::string(reinterpret_cast<char*>(field.name), field.namelen)] =
              std::string(reinterpret_cast<char*>(field.value), field.valuelen);
        }
        if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
        if ((flags & NGHTTP2_HD_INFLATE_EMIT) == 0 && size == 0) break;
      }
      ::nghttp2_hd_inflate_end_headers(inflater_);
    }
    if (one.type == kData) {
      response.body.insert(response.body.end(), one.payload.begin(), one.payload.end());
    }
    if (one.type == kHeaders || one.type == kData) {
      response.ended = response.ended || (one.flags & kEndStream) != 0;
    }
    if (one.type == kRstStream) response.reset = dns::load_u32(one.payload.data());
    if (one.type == kGoAway) {
      gone = true;
      last_stream = dns::load_u32(one.payload.data());
      gone_code = dns::load_u32(one.payload.data() + 4);
    }
  }

  Octets left_;
  nghttp2_hd_inflater* inflater_ = nullptr;
};

}  // namespace clusterdns::unit
