// What a request of DNS over HTTPS says (RFC 8484 section 4.1), and what its response does,
// whatever the version of HTTP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace clusterdns::dns {

inline constexpr std::string_view kDohPath = "/dns-query";
inline constexpr std::string_view kDohType = "application/dns-message";
inline constexpr std::string_view kDohAllow = "GET, POST";

// Fields may come in any order.
class DohRequest {
 public:
  void set_method(std::string_view method) noexcept;
  // A path with a query, or a URI (RFC 9112 3.2.2). Throws std::bad_alloc.
  void set_target(std::string_view target);
  void set_content_type(std::string_view type) noexcept;
  // 413 when it is more than a DNS message has; it need not be followed by a body.
  void set_content_length(std::uint64_t octets) noexcept;
  // The next octets of its body. What is more than a DNS message has, and the body of a GET, is not
  // kept. Throws std::bad_alloc.
  void add_body(std::span<const std::uint8_t> octets);
  // Refuses it, whatever else it says; the first counts.
  void refuse(unsigned status) noexcept {
    if (refused_ == 0) refused_ = status;
  }

  // 0: it may be answered once its body has come; else the status that refuses it. All of its
  // header fields have been set.
  [[nodiscard]] unsigned status() const noexcept;
  // All of it has come. 0: message() is a query; else the status that refuses it. Throws
  // std::bad_alloc.
  [[nodiscard]] unsigned complete();
  // Its response has no body (RFC 9110 9.3.2).
  [[nodiscard]] bool is_head() const noexcept { return method_ == Method::Head; }
  // kPadding readable octets follow.
  [[nodiscard]] std::span<const std::uint8_t> message() const noexcept {
    return {message_.data(), size_};
  }
  // Octets of memory beside itself.
  [[nodiscard]] std::size_t held() const noexcept { return message_.capacity(); }

 private:
  enum class Method : std::uint8_t { Other, Get, Head, Post };
  void take_query(std::string_view query);

  Method method_ = Method::Other;
  bool path_ = false;            // it is ours
  bool type_ = false;            // likewise
  std::uint8_t parameters_ = 0;  // named `dns`
  bool decoded_ = false;         // the first of them
  unsigned refused_ = 0;
  std::vector<std::uint8_t> message_;  // kPadding more once it is complete
  std::size_t size_ = 0;
};

// Seconds for which an answer is fresh (RFC 8484 section 5.1): its smallest TTL, at most an hour;
// of a negative answer the MINIMUM of the SOA, if that is less (RFC 2308). Of an answer that says
// nothing, or that is a failure, 5, as in CoreDNS.
[[nodiscard]] std::uint32_t fresh_seconds(std::span<const std::uint8_t> answer) noexcept;

// One line that says why, and the reason phrase of RFC 9110.
[[nodiscard]] std::string_view status_text(unsigned status) noexcept;
[[nodiscard]] std::string_view status_reason(unsigned status) noexcept;

// "Mon, 30 Nov 2026 20:37:10 GMT" (RFC 9110 5.6.7), of now. Holds until the thread's next call.
[[nodiscard]] std::string_view http_date() noexcept;

}  // namespace clusterdns::dns
